package relay

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// session is one client, as its node ID names it: its streams to the relay, the stream to a server
// that the relay has for it, and the configuration between the two.
type session struct {
	relay *Relay
	id    string // of the node
	log   *slog.Logger

	mu       sync.Mutex // guards the rest; no engine lock is taken under it but that of a cache
	node     *corev3.Node
	streams  map[uint64]interest
	asked    map[xds.Ref]int // by how many streams each name is subscribed to
	types    map[string]*collection
	upstream *upstream         // nil while the client has no stream
	holding  *time.Timer       // until the copy from disk is served; nil once it is
	saved    time.Time         // of the copy on disk; zero for none
	accepted int               // counts the updates that the client acknowledged
	onDisk   int               // accepted of the copy on disk
	ignored  error             // why the copy on disk was not used when the relay started; nil if it was, or there is none
	rejected map[string]string // by type: what the client said of the last update, when it has rejected that
}

// upstream is the stream to a server on behalf of one client. It lives as long as the client has a
// stream to the relay, across reconnects to servers.
type upstream struct {
	client *client.Client
	ctx    context.Context
	stop   context.CancelFunc

	connected bool
	since     time.Time // of connected, or of its loss
	reason    error     // of the loss
}

func newSession(r *Relay, node *corev3.Node) *session {
	s := &session{
		relay: r, id: node.GetId(), log: r.log.With("node", node.GetId()), node: node,
		streams: map[uint64]interest{}, asked: map[xds.Ref]int{}, types: map[string]*collection{}, rejected: map[string]string{},
	}
	return s
}

// collection returns that of a type, made when there is none. The caller holds mu.
func (s *session) collection(typeURL string) *collection {
	c := s.types[typeURL]
	if c == nil {
		c = newCollection(typeURL)
		s.add(c)
	}
	return c
}

// add takes in a collection. The caller holds mu.
func (s *session) add(c *collection) {
	if named := s.relay.o.NamesFiles; named != nil && c.typeURL == xds.SecretType {
		c.serveFiles(named)
	}
	s.types[c.typeURL] = c
}

// open takes in a stream of the client. The first one opens the stream to a server.
func (s *session) open(stream uint64, node *corev3.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[stream] = interest{}
	s.node = node
	if s.upstream == nil {
		s.connect()
	}
}

// connect opens the stream to a server, on which the relay claims what the client acknowledged last.
// The caller holds mu.
func (s *session) connect() {
	known := map[string]map[string]string{}
	for typeURL, c := range s.types {
		known[typeURL] = c.versions()
	}
	u := &upstream{since: time.Now()}
	u.ctx, u.stop = context.WithCancel(s.relay.ctx)
	u.client = client.New(s.relay.conn, client.Options{
		Node: s.node, Known: known, MinRetry: minRetry, MaxRetry: maxRetry,
		Handle:     func(update *client.Update) { s.handle(u, update) },
		Connection: func(err error) { s.connection(u, err) },
	})
	s.upstream = u
	s.relay.sessions.Go(func() { _ = u.client.Run(u.ctx) })
}

// close lets go of a stream of the client that ended. After the last one, the stream to the server
// ends too, and updates that the client did not answer are undone.
func (s *session) close(stream uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended, open := s.streams[stream]
	if !open {
		return
	}
	delete(s.streams, stream)
	if len(s.streams) > 0 {
		// A client that restarts may have opened its next stream before the relay sees the end of this one, and
		// not have asked for everything yet. So what the client acknowledged is kept.
		for typeURL, n := range ended {
			s.subscribe(typeURL, n.set, nil)
		}
		return
	}
	clear(s.asked)
	s.upstream.stop()
	s.upstream = nil
	for typeURL, c := range s.types {
		if c.undo() && c.published {
			s.publish(typeURL, c)
		}
		if c.files != nil {
			clear(c.files.refused)
		}
	}
}

// request passes on what a stream of the client newly asks for, or no longer asks for.
func (s *session) request(stream uint64, delta bool, r xds.RequestInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.streams[stream]
	if i == nil || s.upstream == nil {
		return // the stream has ended meanwhile
	}
	before, after := i.request(delta, s.relay.o.asksForAll(r.Type), r)
	if maps.Equal(before, after) {
		return
	}
	c := s.collection(r.Type)
	if dropped := s.subscribe(r.Type, before, after); dropped && c.forget(func(name string) bool { return s.asksFor(r.Type, name) }) && c.published {
		s.publish(r.Type, c)
	}
	if !s.upstream.connected {
		s.recall(r.Type, c)
	}
	if !c.published && !after[wildcard] && s.holding == nil {
		s.publish(r.Type, c) // names are answered one by one
	}
}

// recall answers for what the client dropped and asks for again, while no server can. The caller holds mu.
func (s *session) recall(typeURL string, c *collection) {
	if c.recall(func(name string) bool { return s.asksFor(typeURL, name) }) && c.published {
		s.publish(typeURL, c)
	}
	if c.files != nil {
		s.relay.named.tell()
	}
}

// subscribe changes what the server is asked for when the subscription of one stream changes, and reports
// whether no stream asks for some name any more. The caller holds mu.
func (s *session) subscribe(typeURL string, before, after map[string]bool) bool {
	var added, dropped []string
	for _, name := range missing(after, before) {
		ref := xds.Ref{Type: typeURL, Name: name}
		if s.asked[ref]++; s.asked[ref] == 1 {
			added = append(added, name)
		}
	}
	for _, name := range missing(before, after) {
		ref := xds.Ref{Type: typeURL, Name: name}
		if s.asked[ref]--; s.asked[ref] > 0 {
			continue
		}
		delete(s.asked, ref)
		dropped = append(dropped, name)
	}
	if len(added) > 0 {
		s.upstream.client.Subscribe(typeURL, added...)
	}
	if len(dropped) > 0 {
		s.upstream.client.Unsubscribe(typeURL, dropped...)
	}
	return len(dropped) > 0
}

// asksFor says whether any stream of the client asks for a name. The caller holds mu.
func (s *session) asksFor(typeURL, name string) bool {
	return s.asked[xds.Ref{Type: typeURL, Name: wildcard}] > 0 || s.asked[xds.Ref{Type: typeURL, Name: name}] > 0
}

// undecided says whether the server may still answer for a name that the relay does not have.
func (s *session) undecided(ref xds.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.collection(ref.Type).absent[ref.Name]
}

// handle takes an update from the server, and answers it when the client has answered it.
func (s *session) handle(u *upstream, update *client.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return // of a stream that is ending
	}
	s.serveCopy()
	c := s.collection(update.Type)
	absent, err := c.apply(update)
	if err != nil {
		update.Reject(err)
		return
	}
	c.complete = c.complete || s.asked[xds.Ref{Type: update.Type, Name: wildcard}] > 0
	s.publish(update.Type, c)
	s.relay.notFound(s.id, update.Type, absent)
	if c.files != nil {
		s.relay.named.tell()
	}
	s.relay.sessions.Go(func() { s.answer(u, update) })
}

// answer waits until the client has answered everything in an update, and answers the server.
func (s *session) answer(u *upstream, update *client.Update) {
	rejection, err := s.answered(u.ctx, update)
	if err != nil {
		return // the client or the relay went away
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return
	}
	s.settle(s.types[update.Type], rejection)
	if rejection != nil {
		update.Reject(errors.New(rejection.Message))
	} else {
		update.Accept()
	}
}

// settle accepts what is pending of a type, or undoes it when it was rejected. The caller holds mu.
func (s *session) settle(c *collection, rejection *xds.Rejection) {
	if rejection != nil {
		absent := c.refuse()
		s.publish(c.typeURL, c)
		s.relay.notFound(s.id, c.typeURL, absent)
		s.rejected[c.typeURL] = rejection.Message
		return
	}
	if c.accept(); c.files == nil || len(c.files.refused) == 0 {
		delete(s.rejected, c.typeURL)
	}
	s.accepted++
	s.relay.store.wake()
}

// publish makes the collection current for the client's streams. The caller holds mu.
func (s *session) publish(typeURL string, c *collection) {
	c.published = true
	s.relay.publish(s.id, typeURL, c.snapshot)
}

// connection notes whether a server answers. If none does, the copy on disk is served.
func (s *session) connection(u *upstream, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return
	}
	connected := err == nil
	switch {
	case connected && u.reason != nil:
		s.log.Info("a server answers again")
	case !connected && u.reason == nil:
		s.log.Warn("no server answers: the client is served from the relay's copy", "error", err)
	}
	if connected != u.connected {
		u.connected, u.since = connected, time.Now()
	}
	if u.reason = err; !connected {
		s.serveCopy()
		for typeURL, c := range s.types {
			s.recall(typeURL, c)
		}
	}
}

// restore fills a new session from the copy on disk. The copy is not served before a server had
// copyDelay to send something newer.
func (s *session) restore(from *saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = from.time
	for _, c := range from.types {
		s.add(c)
	}
	s.relay.named.tell()
	s.holding = time.AfterFunc(s.relay.o.CopyDelay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.holding != nil {
			s.log.Info("no server has sent anything newer yet: the client is served from the copy on disk", "saved", s.saved)
		}
		s.serveCopy()
	})
}

// serveCopy publishes what was restored from disk, once. The caller holds mu.
func (s *session) serveCopy() {
	if s.holding == nil {
		return
	}
	s.holding.Stop()
	s.holding = nil
	for _, typeURL := range slices.Sorted(maps.Keys(s.types)) {
		if c := s.types[typeURL]; c.complete || s.asked[xds.Ref{Type: typeURL, Name: wildcard}] == 0 {
			s.publish(typeURL, c)
		}
	}
}

// unsaved returns the content of the copy on disk when it is to be written, else nil, and the number by which savedAs
// knows it.
func (s *session) unsaved() (content []byte, number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted == s.onDisk {
		return nil, 0, nil
	}
	content, err = encode(s.id, s.types)
	return content, s.accepted, err
}

// savedAs notes that a copy is on disk.
func (s *session) savedAs(number int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisk, s.saved = number, now
}

// confirm notes that the copy on disk is what the server has, and reports whether it is.
func (s *session) confirm(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted != s.onDisk || s.saved.IsZero() || s.upstream == nil || !s.upstream.connected {
		return false
	}
	for _, c := range s.types {
		if c.pending != nil {
			return false
		}
	}
	s.saved = now
	return true
}

// idle says whether the client has no stream.
func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.streams) == 0
}
