package xds

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// A stream connects a session to a gRPC stream. Whoever has something for it (a request that
// came, a publication, a time that has come) lets it push; one at a time sends.
type stream struct {
	server  *Server
	grpc    grpc.ServerStream
	session session
	info    StreamInfo
	opened  time.Time
	woken   atomic.Bool // queued at a dispatcher
	first   atomic.Bool // queued at the one of wakeFirst
	moved   atomic.Bool // the node may belong to other pools now

	// Guarded by the server's lock.
	admitted, left bool
	foreign        []string // types it asks for that are not xDS's own

	// Guarded by the group's lock.
	sending   bool          // somebody is pushing
	quiet     chan struct{} // closed when nobody is any more; nil unless the handler waits for it
	rerun     bool          // and has to look again
	unseen    bool          // a request may have asked for what the session has not looked at
	closed    bool
	expired   bool // to be ended after the next response
	responses int
	window    sendWindow
	reported
	timer      *time.Timer
	unreported []Rejection // for the log and the callback

	silent *time.Timer // ends the stream unless there is a request
	ending sync.Once
	ended  chan struct{} // closed when the stream is to end, with err
	err    error
}

// method is one of the server's RPCs.
type method struct {
	name    string // such as "delta-ads"
	delta   bool
	typeURL string // "" on the aggregated service
}

// serve runs one stream until the client, an error or the server ends it.
func (s *Server) serve(m method, g grpc.ServerStream) error {
	st := &stream{
		server: s, grpc: g, opened: time.Now(), ended: make(chan struct{}), window: newSendWindow(g.Context()),
		info: StreamInfo{Method: m.name, Peer: peerOf(g.Context())},
	}
	if err := s.accept(st); err != nil {
		return err
	}
	defer s.release(st)
	if s.o.MaxStreamAge > 0 {
		age := time.AfterFunc(jittered(s.o.MaxStreamAge), st.expire)
		defer age.Stop()
	}
	st.silent = time.AfterFunc(firstRequestTimeout, func() { st.end(errSilent) })
	defer st.silent.Stop()
	go func() { st.end(st.read(m)) }()
	select {
	case <-st.ended:
	case <-s.stopping:
		st.end(errShutdown)
	}
	st.finish()
	return st.err
}

// firstRequestTimeout is how long a stream may be open before its first request. Clients open a stream
// when they have something to ask for.
const firstRequestTimeout = 30 * time.Second

var errSilent = status.Errorf(codes.DeadlineExceeded, "no request within %v", firstRequestTimeout)

// receive reads one request into r.
func receive(m method, g grpc.ServerStream, s *session, r *request) error {
	*r = request{delta: m.delta, session: s, typeURL: m.typeURL}
	if err := g.RecvMsg(r); err != nil {
		return err
	}
	r.adopt()
	if err := r.check(); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if m.typeURL != "" {
		r.typeURL = m.typeURL // implied (C004)
	}
	if r.typeURL == "" {
		return status.Error(codes.InvalidArgument, "type_url is empty")
	}
	return nil
}

// begin takes what the first request says of the node and admits the stream.
func (st *stream) begin(m method, first *request) error {
	s := st.server
	st.info.ID, st.info.Node = s.streamID.Add(1), nodeOf(first, st.info.Peer)
	st.session = session{
		delta: m.delta, node: st.info.Node, waker: st, source: s.source, rules: &s.rules,
		ttl: takesTTL(first.node.GetClientFeatures(), m.delta),
	}
	if authenticate := s.o.Authenticate; authenticate != nil {
		var err error
		if st.info.Node.Identity, err = authenticate(st.grpc.Context(), st.info.Node); err != nil {
			return err
		}
	}
	if open := s.o.Callbacks.StreamOpen; open != nil {
		if err := open(st.grpc.Context(), st.info); err != nil {
			return err
		}
	}
	if err := s.admit(st); err != nil {
		s.closeCallback(st, err)
		return err
	}
	if err := st.grpc.SendHeader(nil); err != nil { // says that a server answers, also when it has nothing to send
		return err
	}
	s.log.Debug("xds stream opened", "stream", st.info.ID, "method", m.name, "node", st.info.Node.ID, "peer", st.info.Peer)
	return nil
}

// nodeOf is the node of a stream's first request; without one all fields are empty.
func nodeOf(r *request, peer string) *Node {
	return &Node{ID: r.node.GetId(), Cluster: r.node.GetCluster(), Proto: r.node, Peer: peer}
}

func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// host is the peer's address without the port.
func (st *stream) host() string {
	if host, _, err := net.SplitHostPort(st.info.Peer); err == nil {
		return host
	}
	return st.info.Peer
}

// read handles requests until there are no more.
func (st *stream) read(m method) error {
	r := &request{} // one for all: nothing keeps it
	if err := receive(m, st.grpc, nil, r); err != nil {
		return err
	}
	st.silent.Stop()
	if err := st.begin(m, r); err != nil {
		return err
	}
	for {
		if err := st.handle(r); err != nil {
			return err
		}
		if err := receive(m, st.grpc, &st.session, r); err != nil {
			return err
		}
	}
}

func (st *stream) handle(r *request) error {
	if limit := st.server.o.MaxMessageSize; limit > 0 && r.size > limit {
		return status.Errorf(codes.ResourceExhausted, "request of %d bytes, more than the %d it may have", r.size, limit)
	}
	if callback := st.server.o.Callbacks.Request; callback != nil {
		if err := callback(st.info, requestInfo(r, st.session.watch(r.typeURL))); err != nil {
			return err
		}
	}
	if st.session.watch(r.typeURL) == nil {
		if err := st.server.askFor(st, r.typeURL); err != nil {
			return err
		}
	}
	g := st.session.group
	g.mu.Lock()
	err := errShutdown
	if !st.closed {
		g.activity++
		st.window.received(r.nonce)
		err = st.session.receive(time.Now(), r)
		st.unseen = st.unseen || !r.onlyAcknowledges()
	}
	g.mu.Unlock()
	if err != nil {
		return err
	}
	if !r.onlyAcknowledges() || !st.woken.Load() { // else the dispatcher comes to it with the next round
		st.push(true)
	}
	return nil
}
