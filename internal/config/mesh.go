package config

// Mesh is the network team's document. It sets defaults for every call, and the bounds within which other
// documents may change them. A folder has at most one; without it, the built-in defaults apply.
type Mesh struct {
	Header

	// Settings for calls that neither the caller's nor the called service's manifest overrides.
	Defaults *Traffic `json:"defaults,omitzero" example:"{timeout: 5s}"`

	// Limits for the settings in other documents.
	Bounds Bounds `json:"bounds,omitzero" example:"{maxTimeout: 60s, maxRetries: 3}"`
}
