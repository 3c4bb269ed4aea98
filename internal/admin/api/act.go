package api

// Accept is the body of POST /v1/config/accept: it lets the held change of that revision through.
// The answer is 200, 404 when that revision is not held, 400 for a malformed body.
type Accept struct {
	Revision string `json:"revision"`
}
