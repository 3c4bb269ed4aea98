package api

// Accept is the body of POST /v1/config/accept: it lets the held change of that revision through.
// The answer is 200, 404 when that revision is not held, 400 for a malformed body.
type Accept struct {
	Revision string `json:"revision"`
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Error string `json:"error"`          // what was wrong
	Hint  string `json:"hint,omitempty"` // what would be right, when it can be known
}
