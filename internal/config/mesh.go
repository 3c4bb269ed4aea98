package config

// Mesh is the network team's document: defaults for every call, and the bounds within which other
// documents may change them. A folder has at most one; without it the built-in defaults hold.
type Mesh struct {
	Header

	// How calls are made where neither the caller's nor the called service's manifest says otherwise.
	Defaults *Traffic `json:"defaults,omitzero" example:"{timeout: 5s}"`

	// The limits of what other documents may ask for.
	Bounds Bounds `json:"bounds,omitzero" example:"{maxTimeout: 60s, maxRetries: 3}"`
}
