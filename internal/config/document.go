package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Documents is one complete set of documents as people wrote it, decoded, defaults of plain fields
// filled in. The maps are keyed by name; services and externals share one name space, because both
// are called by name. Immutable once it has left this package.
type Documents struct {
	Mesh      *Mesh                          `json:"mesh"` // never nil: a folder without one has the built-in defaults
	Services  map[mesh.ServiceName]*Service  `json:"services,omitempty"`
	Edges     map[mesh.EdgeName]*Edge        `json:"edges,omitempty"`
	Externals map[mesh.ServiceName]*External `json:"externals,omitempty"`
}

// Header is what every document begins with.
type Header struct {
	// What the document describes.
	Kind string `json:"kind" required:"true" example:"Service"`

	// The version of the format in which the document is written.
	Version int `json:"version,omitzero" range:"1-1" default:"1" example:"1"`

	// What the document's subject is called: the name under which it is called, started and shown.
	Name string `json:"name" required:"true" format:"name" example:"users"`

	// Who answers for the document: a mail address, a team or a channel. It is shown wherever the
	// document is the cause of something.
	Owner string `json:"owner,omitzero" format:"text" example:"identity@example.com"`

	// Origin is the document's first line.
	Origin mesh.Origin `json:"-"`
}
