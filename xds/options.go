package xds

import (
	"context"
	"log/slog"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// Node is a client. ID, Cluster and Proto are what the client sent in the first request of a stream,
// which nobody checks: ID may be empty, and Proto is nil if the client sent no node. Immutable.
type Node struct {
	ID, Cluster string
	Proto       *corev3.Node // not to be changed
	Peer        string       // address of the client, as host:port
	Identity    any          // what Authenticate returned; nil without it
}

// ServerOptions: every field may be left zero.
type ServerOptions struct {
	// Identifier is this server's name, sent as control_plane.identifier (C014).
	Identifier string
	// Logger gets opened and closed streams (debug) and NACKs (warning); nil discards.
	Logger    *slog.Logger
	Callbacks Callbacks
	// Authenticate returns who the client is, which becomes Node.Identity for View and Callbacks, or
	// refuses the stream with the status of its error. It is called once, when the first request has
	// said which node this is, and may block. ctx has what gRPC knows of the peer.
	Authenticate func(ctx context.Context, node *Node) (identity any, err error)
	// IsolateRejected lets a delta stream be offered the parts of a rejected response again,
	// by halves, until the culprits stand alone: at most 2 log2(n) + 1 more responses each.
	IsolateRejected bool
	// Relay says that the resources come from another xDS server, which decides what of a rejected response is offered
	// again. The relaying program passes that on with OfferAgain. IsolateRejected has no effect then.
	Relay bool
	// PushVirtualHosts makes a first VHDS request that names nothing, as Envoy sends it, ask for all virtual
	// hosts that there are for the node. Their names have to be those that the virtual hosts have themselves,
	// ROUTES/HOST, because Envoy removes them by that. Without it such a request asks for nothing (C112).
	PushVirtualHosts bool
	// OrderTimeout is how long an addition waits for what it refers to; 0 means 10 s, NoWait not at all.
	OrderTimeout time.Duration
	// RemovalGrace is how long the removal of a name that the client asks for waits after
	// the ACK of what replaced its users; 0 means 500 ms, NoWait not at all.
	RemovalGrace time.Duration
	// SendTimeout ends the stream of a client that has not read enough for so long that nothing more
	// can be sent to it; 0 means 2 min. Such a client never delays others.
	SendTimeout time.Duration
	// MaxStreamAge ends streams that are older, give or take a tenth, so that those that began together
	// do not end together; 0 is never. A stream on which something was asked for is ended after at
	// least one response (C015).
	MaxStreamAge time.Duration
	// MaxStreamsPerPeer bounds the open streams from one address, also those on which nothing was
	// asked for; MaxSubscriptions the names one stream subscribes to; 0 is no limit.
	MaxStreamsPerPeer, MaxSubscriptions int
	// MaxMessageSize bounds the bytes of a request. It can only lower the limit of gRPC, 4 MiB
	// unless grpc.MaxRecvMsgSize raises it; 0 leaves it there. A client with very many names, or
	// one that comes back with very many versions, may need more.
	MaxMessageSize int
	// ResourceErrors reports names that do not exist as resource_errors too (C109).
	ResourceErrors bool
}

// NoWait, as a duration in ServerOptions, is none at all, where 0 means the default.
const NoWait time.Duration = -1

// Defaults of ServerOptions.
const (
	defaultOrderTimeout = 10 * time.Second
	defaultRemovalGrace = 500 * time.Millisecond
	defaultSendTimeout  = 2 * time.Minute
)

// GRPCOptions are what a grpc.Server needs to serve fast and to keep slow clients: the
// codec, keepalive that is patient (gRPC's own 20 s also cuts connections that are merely
// slow), many streams per connection (C019), small buffers, and a connection window that does not
// adapt: to find its size, gRPC would ping the client after each of its requests.
func GRPCOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(Codec()),
		grpc.MaxConcurrentStreams(maxStreamsPerConnection),
		grpc.ReadBufferSize(connectionBuffer),
		grpc.WriteBufferSize(connectionBuffer),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinimum, PermitWithoutStream: true}),
	}
}

const (
	maxStreamsPerConnection = 100_000
	connectionBuffer        = 4 << 10 // bytes; each connection has one to read
	connectionWindow        = 1 << 20 // bytes; room for large requests over slow links
	keepaliveTime           = 60 * time.Second
	keepaliveTimeout        = 60 * time.Second
	keepaliveMinimum        = 5 * time.Second
)
