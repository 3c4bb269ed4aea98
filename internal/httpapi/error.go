// Package httpapi implements the conventions of doyen's HTTP API under /v1 on both sides: the form of errors, how
// handlers read bodies and write answers, and the client on which typed clients are built.
//
// It knows no resource of the API. Its one invariant: one call of a client is one request. The caller decides whether
// and when to retry.
package httpapi

// Error is the body of every answer that is not 2xx. Its JSON form is stable: fields are added and never renamed.
type Error struct {
	Error    string    `json:"error"`              // what was wrong
	Hint     string    `json:"hint,omitempty"`     // what would be right, or what to do; "" if unknown
	Problems []Problem `json:"problems,omitempty"` // 400: everything that is wrong with the call
}

// Problem is one thing that is wrong with a call.
type Problem struct {
	Field    string `json:"field"`
	Error    string `json:"error"`              // what was found
	Expected string `json:"expected,omitempty"` // what would be right
	Hint     string `json:"hint,omitempty"`     // the nearest right name
}
