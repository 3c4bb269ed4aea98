package api

// Accept is the body of POST /v1/config/accept, which lets the held change of that revision take effect. The answer
// is 200, 404 if that revision is not held, or 400 for a malformed body.
type Accept struct {
	Revision string `json:"revision"`
}
