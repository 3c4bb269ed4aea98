// Package xds is an xDS management server as a library.
package xds

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
)

// ---- values ----

// Ref names a resource by type URL (with the type.googleapis.com/ prefix) and name.
type Ref struct{ Type, Name string }

// ResourceOptions is what a resource may have besides its bytes.
type ResourceOptions struct {
	References []Ref         // what it needs to exist before it is of use; may be left out, at the loss of ordering
	TTL        time.Duration // 0 = none
	Aliases    []string      // VHDS only
}

// Resource is one named, immutable xDS object, encoded once. Version is a short hash of what is served.
type Resource struct{}

func NewResource(typeURL, name string, body []byte, o ResourceOptions) *Resource { panic("skeleton") }
func (r *Resource) Type() string                                                 { panic("skeleton") }
func (r *Resource) Name() string                                                 { panic("skeleton") }
func (r *Resource) Body() []byte                                                 { panic("skeleton") } // not to be changed
func (r *Resource) Version() string                                              { panic("skeleton") }
func (r *Resource) References() []Ref                                            { panic("skeleton") }

// Snapshot is all resources of one view: immutable, consistent with each other.
type Snapshot struct{}

func NewSnapshot(resources ...*Resource) *Snapshot       { panic("skeleton") } // of two with one type and name the last counts
func (s *Snapshot) Get(ref Ref) *Resource                { panic("skeleton") } // nil when absent
func (s *Snapshot) Types() []string                      { panic("skeleton") } // sorted
func (s *Snapshot) Resources(typeURL string) []*Resource { panic("skeleton") } // by name
func (s *Snapshot) Check(elsewhere func(Ref) bool) error { panic("skeleton") } // every reference is in it, or elsewhere says so

// ---- sources ----

// Source is where a server finds resources: a *SnapshotCache, a *LinearCache or a *Mux.
type Source interface{ source() }

// SnapshotCacheOptions; View chooses the snapshot a node gets (default: the node's ID).
type SnapshotCacheOptions struct{ View func(*Node) string }
type SnapshotCache struct{}

func NewSnapshotCache(o SnapshotCacheOptions) *SnapshotCache   { panic("skeleton") }
func (c *SnapshotCache) Publish(view string, s *Snapshot)      { panic("skeleton") }
func (c *SnapshotCache) PublishAll(views map[string]*Snapshot) { panic("skeleton") } // one step; nil removes a view
func (c *SnapshotCache) Remove(view string)                    { panic("skeleton") }
func (c *SnapshotCache) Snapshot(view string) *Snapshot        { panic("skeleton") } // nil when none
func (c *SnapshotCache) Reassign()                             { panic("skeleton") } // View may now answer otherwise: open streams follow
func (c *SnapshotCache) source()                               {}

// LinearCache holds resources of one type that every node may ask for.
type LinearCache struct{}

func NewLinearCache(typeURL string) *LinearCache            { panic("skeleton") }
func (c *LinearCache) Put(r ...*Resource)                   { panic("skeleton") } // one step
func (c *LinearCache) Delete(names ...string)               { panic("skeleton") }
func (c *LinearCache) Update(put []*Resource, del []string) { panic("skeleton") }
func (c *LinearCache) Replace(all []*Resource)              { panic("skeleton") }
func (c *LinearCache) Get(name string) *Resource            { panic("skeleton") }
func (c *LinearCache) Resources() []*Resource               { panic("skeleton") }
func (c *LinearCache) source()                              {}

// Mux sends types to different sources; types without one go to Default.
type MuxOptions struct {
	Types   map[string]Source                   // by type URL
	Names   map[string]func(name string) Source // by type URL: a source for a name, nil = the type's
	Default Source
}
type Mux struct{}

func NewMux(o MuxOptions) *Mux { panic("skeleton") }
func (m *Mux) source()         {}

// ---- server ----

// Node is what a client said of itself in the first request of a stream. Immutable.
type Node struct {
	ID, Cluster string
	Proto       *corev3.Node // not to be changed
}

// ServerOptions; every field may be left zero.
type ServerOptions struct {
	Identifier                                          string // control_plane.identifier
	Logger                                              *slog.Logger
	Callbacks                                           Callbacks
	Authenticate                                        func(ctx context.Context, node *Node) error // refuses a stream with the status of its error
	IsolateRejected                                     bool                                        // find the culprit of a rejected response by halves (delta)
	OrderTimeout                                        time.Duration                               // an addition held longer goes ahead; default 10 s
	RemovalGrace                                        time.Duration                               // for named subscriptions; default 500 ms
	MaxStreamAge                                        time.Duration                               // 0 = no limit
	MaxStreamsPerPeer, MaxSubscriptions, MaxMessageSize int                                         // 0 = no limit / 4 MiB for the message
	ResourceErrors                                      bool                                        // xDS TP3
}

// Callbacks are called from a stream's goroutine and must not block. Any may be nil.
type Callbacks struct {
	StreamOpen  func(ctx context.Context, s StreamInfo) error // an error refuses the stream
	StreamClose func(s StreamInfo, err error)
	Request     func(s StreamInfo, r RequestInfo) error
	Response    func(s StreamInfo, r ResponseInfo)
	Rejected    func(s StreamInfo, r Rejection)
}
type StreamInfo struct {
	ID     uint64
	Method string
	Node   *Node
	Peer   string
}
type RequestInfo struct {
	Type                string
	Nonce               string
	Names, Unsubscribed []string
	Error               string
}
type ResponseInfo struct {
	Type, Nonce, Version string
	Resources, Removed   []string
}
type Rejection struct {
	Type    string
	Version string // of the response that was refused
	Message string // the client's words
	Time    time.Time
	Names   []string // changes in the refused response; one, when it was isolated
	Culprit bool     // Names is exactly what the client refuses
}

type Server struct{}

func NewServer(source Source, o ServerOptions) *Server { panic("skeleton") }
func (s *Server) Register(g grpc.ServiceRegistrar)     { panic("skeleton") } // ADS and every per-type service
func (s *Server) Run(ctx context.Context) error        { panic("skeleton") } // timers; returns when ctx ends
func (s *Server) Shutdown()                            { panic("skeleton") } // ends all streams cleanly
func (s *Server) Handler() http.Handler                { panic("skeleton") } // REST-JSON /v3/discovery:<type>

// GRPCOptions are what a grpc.Server needs to serve fast and to keep slow clients: the codec, keepalive, stream limits.
func GRPCOptions() []grpc.ServerOption { panic("skeleton") }

// ---- status ----

func (s *Server) Status() []NodeStatus            { panic("skeleton") } // by node ID
func (s *Server) NodeStatus(id string) NodeStatus { panic("skeleton") } // no streams when unknown
// WaitAcknowledged returns when every stream that subscribes to ref has acknowledged its current content
// (or absence), ctx.Err() when ctx ends first. Rejected counts as acknowledged.
func (s *Server) WaitAcknowledged(ctx context.Context, ref Ref) error { panic("skeleton") }

type NodeStatus struct {
	Node    *Node
	Streams []StreamStatus
}
type StreamStatus struct {
	StreamInfo
	Opened time.Time
	Types  map[string]TypeStatus
}
type TypeStatus struct {
	Sent, Acknowledged     string // version of the type as sent / acknowledged last
	SentAt, AcknowledgedAt time.Time
	InSync                 bool       // acknowledged everything there is for it, nothing held, nothing rejected
	Rejected               *Rejection // until accepted
	Held                   []Hold
}

// Hold is a change not sent yet: by what it waits for, and since when.
type Hold struct {
	Change   Ref
	Removal  bool
	WaitsFor []Ref
	Reason   string
	Since    time.Time
}

var errSkeleton = errors.New("skeleton")
