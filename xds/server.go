package xds

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Server serves the resources of a source over gRPC: on the aggregated service (ADS) and on
// the services of single types, state-of-the-world and delta.
type Server struct {
	source    Source
	o         ServerOptions
	log       *slog.Logger
	rules     rules
	bodyCache bodyCache
	dispatch  dispatcher
	// dispatchFirst is for the streams of wakeFirst.
	dispatchFirst dispatcher
	unfollow      func()
	streamID      atomic.Uint64
	statusVersion atomic.Uint64
	waiters       waiters
	tallies       tallies

	shutdown sync.Once
	stopping chan struct{} // closed by Shutdown
	open     sync.WaitGroup

	mu      sync.Mutex // guards the rest; no other lock is taken while it is held
	closed  bool       // takes no more streams
	streams map[uint64]*stream
	groups  map[string][]*group // by node ID
	perPeer map[string]int
	types   map[string]int // how many streams ask for a type that is not xDS's own
}

// NewServer returns a server for a source. Shutdown, or the end of Run, lets go of it.
func NewServer(source Source, o ServerOptions) *Server {
	o.OrderTimeout = orDefault(o.OrderTimeout, defaultOrderTimeout)
	o.RemovalGrace = orDefault(o.RemovalGrace, defaultRemovalGrace)
	o.SendTimeout = orDefault(o.SendTimeout, defaultSendTimeout)
	s := &Server{
		source: source, o: o, log: o.Logger, stopping: make(chan struct{}),
		streams: map[uint64]*stream{}, groups: map[string][]*group{}, perPeer: map[string]int{}, types: map[string]int{},
	}
	s.o.Identifier = strings.ToValidUTF8(o.Identifier, "?")
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.rules = rules{
		isolate: o.IsolateRejected && !o.Relay, relay: o.Relay, pushHosts: o.PushVirtualHosts, errors: o.ResourceErrors, orderTimeout: o.OrderTimeout,
		removalGrace: o.RemovalGrace, maxSubscriptions: o.MaxSubscriptions, bodyCache: &s.bodyCache,
	}
	s.unfollow = source.onMove(s.relocate)
	return s
}

// orDefault returns the default for 0, and 0 for NoWait.
func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return max(d, 0)
}

// Run waits until ctx ends and then shuts down: for programs that run what lives long in one watch.
// It returns nil, when all streams have ended.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.Shutdown()
	return nil
}

// errShutdown ends streams of a server that goes away; clients come back elsewhere.
var errShutdown = status.Error(codes.Unavailable, "xds server is shutting down")

// Shutdown ends all streams with the status UNAVAILABLE, refuses new ones and lets go of the source.
// It returns when they have ended, at the latest about a second after, however slow clients are.
// It comes before the grpc.Server's Stop or GracefulStop: xDS streams do not end by themselves, so
// GracefulStop alone would wait for ever, and Stop alone breaks connections without a status.
func (s *Server) Shutdown() {
	s.close()
	s.shutdown.Do(func() { close(s.stopping) })
	s.unfollow()
	s.open.Wait()
	s.dispatch.wait()
	s.dispatchFirst.wait()
	s.bodyCache.stop()
}

// close lets the server take no more streams.
func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// relocate lets all streams look again which pools their nodes belong to.
func (s *Server) relocate() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	for _, st := range all {
		st.moved.Store(true)
		st.wake()
	}
}

// accept counts a new stream, or refuses it. release undoes accept.
func (s *Server) accept(st *stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errShutdown
	}
	host := st.host()
	if limit := s.o.MaxStreamsPerPeer; limit > 0 && s.perPeer[host] >= limit {
		return status.Errorf(codes.ResourceExhausted, "peer %s already has %d streams, the most it may have", host, limit)
	}
	s.perPeer[host]++
	s.open.Add(1)
	return nil
}

func (s *Server) release(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host := st.host()
	if s.perPeer[host]--; s.perPeer[host] <= 0 {
		delete(s.perPeer, host)
	}
	s.open.Done()
}

// admit registers a stream whose node is known, unless it or the server is ending.
func (s *Server) admit(st *stream) error {
	if !s.enter(st) {
		return errShutdown
	}
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.closed {
		return errShutdown
	}
	g.sessions = append(g.sessions, &st.session)
	return nil
}

// enter is admit without the group's lock, for which nobody else should have to wait.
func (s *Server) enter(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || st.left {
		return false
	}
	st.admitted = true
	s.streams[st.info.ID] = st
	st.session.group = s.groupOf(st)
	return true
}

// groupOf returns the group of the stream's process, with the stream counted in. The caller holds mu.
func (s *Server) groupOf(st *stream) *group {
	id := st.info.Node.ID
	of := s.groups[id]
	var g *group
	if id != "" {
		g = groupFor(of, st)
	}
	if g == nil {
		g = newGroup(of)
		s.groups[id] = append(of, g)
	}
	g.members = append(g.members, st)
	return g
}

// leave is the opposite of admit. It returns false when the stream was not admitted, which
// then will not happen any more.
func (s *Server) leave(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.left = true
	if !st.admitted {
		return false
	}
	delete(s.streams, st.info.ID)
	for _, typeURL := range st.foreign {
		if s.types[typeURL]--; s.types[typeURL] <= 0 {
			delete(s.types, typeURL)
		}
	}
	g := st.session.group
	g.members = slices.DeleteFunc(g.members, func(o *stream) bool { return o == st })
	if len(g.members) > 0 {
		return true
	}
	id := st.info.Node.ID
	s.groups[id] = slices.DeleteFunc(s.groups[id], func(o *group) bool { return o == g })
	if len(s.groups[id]) == 0 {
		delete(s.groups, id)
	}
	return true
}

// Bounds of types, so that nobody fills the memory with type URLs that nothing will ever have.
const (
	maxTypesOfStream = 128
	maxForeignTypes  = 1024 // of a server: types that are not xDS's own
)

// askFor counts in a type that a stream asks for the first time, or refuses it.
func (s *Server) askFor(st *stream, typeURL string) error {
	if len(st.session.watches) >= maxTypesOfStream {
		return status.Errorf(codes.ResourceExhausted, "stream asks for more than %d types, the most it may", maxTypesOfStream)
	}
	if isOwnType(typeURL) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.left {
		return errShutdown
	}
	if s.types[typeURL] == 0 && len(s.types) >= maxForeignTypes {
		return status.Errorf(codes.ResourceExhausted, "clients ask for more than %d types, the most there may be", maxForeignTypes)
	}
	s.types[typeURL]++
	st.foreign = append(st.foreign, typeURL)
	return nil
}

func errTooManyNames(limit int) error {
	return status.Errorf(codes.ResourceExhausted, "stream subscribes to more than %d names, the most it may", limit)
}
