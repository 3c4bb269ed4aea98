package ir

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// VirtualHost is what happens to requests for some hosts. Hosts are without ports, which never
// matter; "*.example.com" is every host below example.com, "*" every host that no other entry has.
type VirtualHost struct {
	Hosts  []string    `json:"hosts"`
	Routes []Route     `json:"routes"` // longest path first: the first that matches is taken
	Origin mesh.Origin `json:"origin"`
}

// Route leads the requests below one path to a target. The setting tags are as in [Upstream].
type Route struct {
	Path     string        `json:"path"` // it and everything below it, at the boundary of a segment; "/" is everything
	Target   Target        `json:"target"`
	Protocol mesh.Protocol `json:"protocol"`                            // of the target
	Timeout  time.Duration `json:"timeout,omitempty" setting:"timeout"` // for the whole request, retries included; 0 sets none
	Retries  *Retries      `json:"retries,omitempty"`                   // nil is none
	// Host replaces the request's host; "" leaves it.
	Host string `json:"host,omitempty"`
	// Announce adds the target to the request, for the gateway of another network, since the host does not name it.
	Announce bool `json:"announce,omitempty"`
	// OnlyAnnounced takes only requests to which the target was added.
	OnlyAnnounced bool        `json:"onlyAnnounced,omitempty"`
	Origin        mesh.Origin `json:"origin"`
}

// Retries say when a request is tried again.
type Retries struct {
	Attempts      int           `json:"attempts" setting:"retries.attempts"` // after the first, at least 1
	On            []string      `json:"on" setting:"retries.on"`             // the words of the documents, in their order
	PerTryTimeout time.Duration `json:"perTryTimeout,omitempty" setting:"retries.perTryTimeout"`
}
