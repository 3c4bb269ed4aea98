package xds

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Server serves the resources of a source over gRPC: on the aggregated service (ADS) and on
// the services of single types, state-of-the-world and delta.
type Server struct {
	source   Source
	o        ServerOptions
	log      *slog.Logger
	rules    rules
	keeper   keeper
	dispatch dispatcher
	unfollow func()
	streamID atomic.Uint64
	waiters  waiters

	mu      sync.Mutex // guards the rest; taken after a group's lock, never before
	closed  bool
	streams map[uint64]*stream
	groups  map[string][]*group // by node ID
	perPeer map[string]int
	open    sync.WaitGroup
}

// NewServer returns a server for a source. Shutdown, or the end of Run, lets go of it.
func NewServer(source Source, o ServerOptions) *Server {
	if o.OrderTimeout <= 0 {
		o.OrderTimeout = defaultOrderTimeout
	}
	if o.RemovalGrace <= 0 {
		o.RemovalGrace = defaultRemovalGrace
	}
	s := &Server{
		source: source, o: o, log: o.Logger,
		streams: map[uint64]*stream{}, groups: map[string][]*group{}, perPeer: map[string]int{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.rules = rules{
		isolate: o.IsolateRejected, errors: o.ResourceErrors, orderTimeout: o.OrderTimeout,
		removalGrace: o.RemovalGrace, maxSubscriptions: o.MaxSubscriptions, keeper: &s.keeper,
	}
	s.unfollow = source.onMove(s.relocate)
	return s
}

// Run serves until ctx ends and then shuts down. It returns when all streams have ended.
func (s *Server) Run(ctx context.Context) error {
	<-ctx.Done()
	s.Shutdown()
	return nil
}

// errShutdown ends streams of a server that goes away; clients come back elsewhere.
var errShutdown = status.Error(codes.Unavailable, "xds server is shutting down")

// Shutdown ends all streams and refuses new ones. It returns when they have ended.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	s.unfollow()
	for _, st := range all {
		st.end(errShutdown)
	}
	s.open.Wait()
	s.dispatch.wait()
	s.keeper.stop()
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

// admit registers a stream whose node is known, or refuses it.
func (s *Server) admit(st *stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch host := st.host(); {
	case s.closed:
		return errShutdown
	case s.o.MaxStreamsPerPeer > 0 && s.perPeer[host] >= s.o.MaxStreamsPerPeer:
		return status.Errorf(codes.ResourceExhausted, "peer %s already has %d streams, the most it may have", host, s.perPeer[host])
	default:
		s.perPeer[host]++
	}
	s.open.Add(1)
	s.streams[st.info.ID] = st
	st.session.group = s.groupOf(st)
	return nil
}

// groupOf returns the group of the stream's node, with the stream counted in. The caller holds mu.
func (s *Server) groupOf(st *stream) *group {
	id := st.info.Node.ID
	of := s.groups[id]
	if id != "" && len(of) > 0 && of[0].members < maxStreamsOfNode {
		of[0].members++
		return of[0]
	}
	g := &group{members: 1}
	s.groups[id] = append(of, g)
	return g
}

// leave is the opposite of admit.
func (s *Server) leave(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st.info.ID)
	host := st.host()
	if s.perPeer[host]--; s.perPeer[host] <= 0 {
		delete(s.perPeer, host)
	}
	g := st.session.group
	if g.members--; g.members > 0 {
		return
	}
	id := st.info.Node.ID
	s.groups[id] = slices.DeleteFunc(s.groups[id], func(o *group) bool { return o == g })
	if len(s.groups[id]) == 0 {
		delete(s.groups, id)
	}
}

func errTooManyNames(limit int) error {
	return status.Errorf(codes.ResourceExhausted, "stream subscribes to more than %d names, the most it may", limit)
}
