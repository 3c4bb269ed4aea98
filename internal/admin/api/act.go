package api

// Accept is the body of POST /v1/config/accept: it lets the held change of that revision through.
// The answer is 200, 404 when that revision is not held, 400 for a malformed body.
type Accept struct {
	Revision string `json:"revision"`
}

// Decision is what becomes of instances in doubt.
type Decision string

// The two ways to end a pause of expiry.
const (
	Expire Decision = "expire" // they are dead: let their leases end now
	Keep   Decision = "keep"   // they live: each gets a full lease from now on
)

// Expiry is the body of POST /v1/services/{name}/expiry: it ends a pause of expiry. The answer is
// 200, 404 when nothing of that service is in doubt, 400 for a malformed body.
type Expiry struct {
	Decision Decision `json:"decision"`
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Error string `json:"error"`          // what was wrong
	Hint  string `json:"hint,omitempty"` // what would be right, when it can be known
}
