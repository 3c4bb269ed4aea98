package xds

import (
	"context"
	"errors"
	"io"
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
	woken   atomic.Bool // queued at the dispatcher
	moved   atomic.Bool // the node may belong to other pools now

	// Guarded by the group's lock.
	sending   bool // somebody is pushing
	rerun     bool // and has to look again
	closed    bool
	responses int
	timer     *time.Timer
	refusals  []Rejection // not told yet

	ending sync.Once
	ended  chan struct{} // closed when the server ends the stream, with err
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
	st := &stream{server: s, grpc: g, opened: time.Now(), ended: make(chan struct{})}
	first, err := receive(m, g, nil)
	if err != nil {
		return withoutEOF(err)
	}
	if err := st.begin(m, first); err != nil {
		return err
	}
	defer s.open.Done()
	if s.o.MaxStreamAge > 0 {
		age := time.AfterFunc(s.o.MaxStreamAge, st.expire)
		defer age.Stop()
	}
	failed := make(chan error, 1)
	go func() { failed <- st.read(m, first) }()
	select {
	case err = <-failed:
	case <-st.ended:
		err = st.err
	}
	err = withoutEOF(err)
	st.finish(err)
	return err
}

// receive reads one request.
func receive(m method, g grpc.ServerStream, s *session) (*request, error) {
	r := &request{delta: m.delta, session: s, typeURL: m.typeURL}
	if err := g.RecvMsg(r); err != nil {
		return nil, err
	}
	r.adopt()
	if m.typeURL != "" {
		r.typeURL = m.typeURL
	}
	if r.typeURL == "" {
		return nil, status.Error(codes.InvalidArgument, "type_url is empty")
	}
	return r, nil
}

// begin takes what the first request says of the node and admits the stream.
func (st *stream) begin(m method, first *request) error {
	s := st.server
	st.info = StreamInfo{ID: s.streamID.Add(1), Method: m.name, Node: nodeOf(first), Peer: peerOf(st.grpc.Context())}
	st.session = session{
		delta: m.delta, node: st.info.Node, waker: st, source: s.source, rules: &s.rules,
		ttl: takesTTL(first.node.GetClientFeatures(), m.delta),
	}
	if authenticate := s.o.Authenticate; authenticate != nil {
		if err := authenticate(st.grpc.Context(), st.info.Node); err != nil {
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
	g := st.session.group
	g.mu.Lock()
	g.sessions = append(g.sessions, &st.session)
	g.mu.Unlock()
	s.log.Debug("xds stream opened", "stream", st.info.ID, "method", m.name, "node", st.info.Node.ID, "peer", st.info.Peer)
	return nil
}

// nodeOf is the node of a stream's first request; without one all fields are empty.
func nodeOf(r *request) *Node {
	return &Node{ID: r.node.GetId(), Cluster: r.node.GetCluster(), Proto: r.node}
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
func (st *stream) read(m method, r *request) error {
	known := &st.session
	if st.server.o.Callbacks.Request != nil {
		known = nil // it is to see all names, each time
	}
	for {
		if err := st.handle(r); err != nil {
			return err
		}
		var err error
		if r, err = receive(m, st.grpc, known); err != nil {
			return err
		}
	}
}

func (st *stream) handle(r *request) error {
	if callback := st.server.o.Callbacks.Request; callback != nil {
		info := RequestInfo{Type: r.typeURL, Nonce: r.nonce, Names: r.names, Unsubscribed: r.drop, Error: r.message}
		if r.refused && r.message == "" {
			info.Error = "refused without a message"
		}
		if err := callback(st.info, info); err != nil {
			return err
		}
	}
	g := st.session.group
	g.mu.Lock()
	err := st.session.receive(time.Now(), r)
	g.mu.Unlock()
	if err != nil {
		return err
	}
	st.push(true)
	if r.nonce != "" {
		st.server.waiters.notify()
	}
	return nil
}

// rejected notes a NACK, to be told when no lock is held.
func (st *stream) rejected(r Rejection) { st.refusals = append(st.refusals, r) }

// wake queues the stream at the dispatcher, once.
func (st *stream) wake() {
	if st.woken.CompareAndSwap(false, true) {
		st.server.dispatch.add(st)
	}
}

// smallResponse is the size, in bytes, below which gRPC takes a response without waiting for
// the client, as long as the earlier ones were acknowledged.
const smallResponse = 16 << 10

// push sends what there is to send. One that may not block leaves a large response to a
// goroutine of its own.
func (st *stream) push(mayBlock bool) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.sending {
		st.rerun = true
		return
	}
	st.sending = true
	st.pushLocked(mayBlock)
}

func (st *stream) pushLocked(mayBlock bool) {
	g := st.session.group
	for !st.closed {
		st.woken.Store(false)
		st.rerun = false
		if st.moved.CompareAndSwap(true, false) {
			st.session.relocate()
		}
		g.load()
		r := st.session.next(time.Now())
		if r == nil {
			if st.rerun || st.woken.Load() {
				continue
			}
			break
		}
		if !mayBlock && r.size() > smallResponse {
			go st.pushOn(r)
			return
		}
		if !st.send(r) {
			break
		}
	}
	st.sending = false
	st.schedule()
	st.tellRejected()
}

// pushOn continues a push that may block, with a response that is already due.
func (st *stream) pushOn(r *response) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.send(r) {
		st.pushLocked(true)
		return
	}
	st.sending = false
}

// send hands a response to gRPC. The group's lock is released meanwhile.
func (st *stream) send(r *response) bool {
	st.responses++
	g := st.session.group
	g.mu.Unlock()
	defer g.mu.Lock()
	r.tail = tailOf(r, st.server.o.Identifier)
	if callback := st.server.o.Callbacks.Response; callback != nil {
		callback(st.info, infoOf(r))
	}
	if err := st.grpc.SendMsg(r); err != nil {
		st.end(err)
		return false
	}
	return true
}

func infoOf(r *response) ResponseInfo {
	info := ResponseInfo{Type: r.place.typeURL, Nonce: r.nonce, Version: r.version}
	if r.whole != nil {
		for resource := range r.whole.all() {
			info.Resources = append(info.Resources, resource.name)
		}
		return info
	}
	for _, ch := range r.list.changes {
		if ch.new != nil {
			info.Resources = append(info.Resources, ch.name)
		} else if r.delta {
			info.Removed = append(info.Removed, ch.name)
		}
	}
	return info
}

// schedule arranges for a push when the session has something by itself. The caller holds
// the group's lock.
func (st *stream) schedule() {
	at := st.session.wakeup()
	switch {
	case at.IsZero() || st.closed:
		if st.timer != nil {
			st.timer.Stop()
			st.timer = nil
		}
	case st.timer == nil:
		st.timer = time.AfterFunc(time.Until(at), st.wake)
	default:
		st.timer.Reset(time.Until(at))
	}
}

// tellRejected logs NACKs and calls back. The caller holds the group's lock, which is
// released meanwhile.
func (st *stream) tellRejected() {
	if len(st.refusals) == 0 {
		return
	}
	told := st.refusals
	st.refusals = nil
	g := st.session.group
	g.mu.Unlock()
	defer g.mu.Lock()
	for _, r := range told {
		st.server.log.Warn("xds response rejected", "stream", st.info.ID, "node", st.info.Node.ID,
			"type", r.Type, "version", r.Version, "message", r.Message)
		if callback := st.server.o.Callbacks.Rejected; callback != nil {
			callback(st.info, r)
		}
	}
}

// errExpired ends streams that reached their age; clients come back, perhaps elsewhere.
var errExpired = status.Error(codes.Unavailable, "xds stream reached its maximum age")

// expire ends the stream, or lets it live on until something was sent (C015).
func (st *stream) expire() {
	g := st.session.group
	g.mu.Lock()
	answered := st.responses > 0
	g.mu.Unlock()
	if answered {
		st.end(errExpired)
	}
}

// end lets serve return with err. It does not block.
func (st *stream) end(err error) {
	st.ending.Do(func() {
		st.err = err
		close(st.ended)
	})
}

// finish takes the stream out of everything.
func (st *stream) finish(err error) {
	s, g := st.server, st.session.group
	g.mu.Lock()
	st.closed = true
	st.schedule()
	st.session.close()
	g.remove(&st.session)
	g.mu.Unlock()
	s.leave(st)
	s.closeCallback(st, err)
	s.waiters.notify()
	s.log.Debug("xds stream closed", "stream", st.info.ID, "node", st.info.Node.ID, "error", err)
}

func (s *Server) closeCallback(st *stream, err error) {
	if callback := s.o.Callbacks.StreamClose; callback != nil {
		callback(st.info, err)
	}
}

// withoutEOF turns the client's orderly end into no error.
func withoutEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
