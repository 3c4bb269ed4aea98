package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Mesh is the network team's document: defaults for every call, and the bounds within which other
// documents may change them. A folder has at most one; without it the built-in defaults hold.
type Mesh struct {
	Header

	// How calls are made where neither the caller's nor the called service's manifest says otherwise.
	Defaults Traffic `json:"defaults,omitzero" example:"{timeout: 5s}"`

	// The limits of what other documents may ask for.
	Bounds Bounds `json:"bounds,omitzero" example:"{maxTimeout: 60s, maxRetries: 3}"`
}

// Bounds limit what Service, Edge and External documents may ask for. An absent bound is no bound.
type Bounds struct {
	// The longest timeout that may be asked for. Where it is set, no call may be without a timeout.
	MaxTimeout *Duration `json:"maxTimeout,omitempty" range:"1ms-24h" example:"60s"`

	// The most retries that may be asked for; 0 forbids them.
	MaxRetries *int `json:"maxRetries,omitempty" unit:"retries" range:"0-10" example:"3"`

	// Origins holds the place of each bound that is set, by its name.
	Origins map[string]mesh.Origin `json:"-"`
}
