package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/persistent"
)

// Documents is one complete set of decoded documents, with the defaults of plain fields filled in.
// The maps are keyed by name. Services and externals share one name space, because both are called by name. A set that
// was made from another one shares the documents that are the same. Immutable.
type Documents struct {
	Mesh      *Mesh // never nil: a folder without one has the built-in defaults
	Services  persistent.Map[mesh.ServiceName, *Service]
	Edges     persistent.Map[mesh.EdgeName, *Edge]
	Externals persistent.Map[mesh.ServiceName, *External]
}

// Header has the fields that every document has.
type Header struct {
	// What the document describes.
	Kind string `json:"kind" required:"true" example:"Service"`

	// The version of the format in which the document is written.
	Version int `json:"version,omitzero" range:"1-1" default:"1" example:"1"`

	// The name of the service, edge, external or mesh: callers, commands and status use it.
	Name string `json:"name" required:"true" format:"name" example:"users"`

	// Who is responsible for the document: a mail address, a team or a channel. It is shown with every
	// problem that the document causes.
	Owner string `json:"owner,omitzero" format:"text" example:"identity@example.com"`

	// Origin is the document's first line.
	Origin mesh.Origin `json:"-"`
}
