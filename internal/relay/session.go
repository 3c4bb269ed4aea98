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

	mu        sync.Mutex // guards the rest; no engine lock is taken under it but that of a cache
	node      *corev3.Node
	streams   map[uint64]interest
	asked     map[xds.Ref]int // by how many streams each name is subscribed to
	types     map[string]*collection
	upstream  *upstream // nil while the client has no stream
	holding   bool      // the copy from disk is not served yet
	saved     time.Time // of the copy on disk; zero for none
	accepted  int       // counts the updates that the client acknowledged, in whole or in part
	onDisk    int       // accepted of the copy on disk
	saveError error     // why the copy on disk could not be written last; nil when it was
	ignored   error     // why the copy on disk was not used when the relay started; nil if it was, or there is none
}

// upstream is the stream to a server on behalf of one client. It lives as long as the client has a
// stream to the relay, across reconnects to servers.
type upstream struct {
	client *client.Client
	ctx    context.Context
	stop   context.CancelFunc
	opened time.Time

	connected bool
	away      bool        // no server answers: the client is served from what the relay has
	late      *time.Timer // sets away when no server has answered until then
	since     time.Time   // of connected, or of its loss
	reason    error       // of the loss
}

func newSession(r *Relay, node *corev3.Node) *session {
	s := &session{
		relay: r, id: node.GetId(), log: r.log.With("node", node.GetId()), node: node,
		streams: map[uint64]interest{}, asked: map[xds.Ref]int{}, types: map[string]*collection{},
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
	switch {
	case s.upstream == nil:
		s.connect()
	case s.upstream.away:
		s.undoAll()
	}
}

// connect opens the stream to a server, on which the relay claims what the client acknowledged last.
// The caller holds mu.
func (s *session) connect() {
	known := map[string]map[string]string{}
	for typeURL, c := range s.types {
		known[typeURL] = c.versions()
		clear(c.rejected) // the client may be another process by now
	}
	now := time.Now()
	u := &upstream{opened: now, since: now}
	u.ctx, u.stop = context.WithCancel(s.relay.ctx)
	u.client = client.New(s.relay.conn, client.Options{
		Node: s.node, Known: known, MinRetry: minRetry, MaxRetry: maxRetry,
		Handle:     func(update *client.Update) { s.handle(u, update) },
		Connection: func(err error) { s.connection(u, err) },
	})
	s.upstream = u
	u.late = time.AfterFunc(s.relay.o.CopyDelay, func() { s.overdue(u) })
	s.relay.sessions.Go(func() { _ = u.client.Run(u.ctx) })
}

// close lets go of a stream of the client that ended. After the last one, the stream to the server
// ends too.
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
	for typeURL, c := range s.types {
		c.pending = nil
		if c.files != nil {
			s.undo(typeURL, c)
			clear(c.files.refused)
		} else if !s.upstream.connected {
			s.undo(typeURL, c)
		}
	}
	s.upstream.stop()
	s.upstream.late.Stop()
	s.upstream = nil
}

// undo goes back to what the client acknowledged, where it was offered something else. That is what a client gets that
// connects while no server answers. While a server does answer, what it sent last stays: the client may have it, and the
// relay may have missed the ACK when the connection broke. The caller holds mu.
func (s *session) undo(typeURL string, c *collection) {
	if c.undo() && c.published {
		s.publish(typeURL, c)
	}
}

// undoAll does so for all types. The caller holds mu.
func (s *session) undoAll() {
	for typeURL, c := range s.types {
		s.undo(typeURL, c)
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
	if s.upstream.away {
		s.recall(r.Type, c)
	}
	if !c.published && !after[wildcard] && !s.holding {
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
	if c := s.types[typeURL]; len(dropped) > 0 && c != nil && c.pending != nil {
		c.pending.recheck() // nobody answers for these any more
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
	c.pending.whole = s.asked[xds.Ref{Type: update.Type, Name: wildcard}] > 0
	s.publish(update.Type, c)
	s.relay.notFound(s.id, update.Type, absent)
	if c.files != nil {
		s.relay.named.tell()
	}
	p := c.pending
	s.relay.sessions.Go(func() { s.answer(u, c, p, update) })
}

// answer waits until the client has answered everything in an update, and answers the server, unless update is nil.
func (s *session) answer(u *upstream, c *collection, p *pending, update *client.Update) {
	s.relay.server.OfferAgain(s.id, p.again...)
	for s.awaitContents(u, c, p) {
		ctx, refs := s.unanswered(u, c, p)
		if len(refs) == 0 {
			break
		}
		answers, _ := s.relay.server.WaitAnswered(ctx, s.id, refs...)
		s.take(c, p, answers)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.pending != p || u.ctx.Err() != nil {
		return // the client went away, or another server has sent the update again
	}
	c.pending = nil
	if p.whole && !c.complete {
		c.complete = true
		s.changed()
	}
	if c.files != nil {
		s.settleFiles(c, p)
	}
	switch {
	case update == nil:
	case p.rejection != nil:
		update.Reject(errors.New(p.rejection.Message))
	default:
		update.Accept()
	}
}

// unanswered returns what the client has yet to answer of an update, and for how long that holds: until the client
// lets go of a part of it, or of its last stream. What the client does not ask for needs no answer.
func (s *session) unanswered(u *upstream, c *collection, p *pending) (context.Context, []xds.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.recheck()
	if c.pending != p || u.ctx.Err() != nil {
		return nil, nil
	}
	p.offers = slices.DeleteFunc(p.offers, func(o offer) bool {
		return !o.askedFor(o.name, func(name string) bool { return s.asksFor(c.typeURL, name) })
	})
	refs := make([]xds.Ref, len(p.offers))
	for i, o := range p.offers {
		refs[i] = xds.Ref{Type: c.typeURL, Name: o.name}
	}
	var ctx context.Context
	ctx, p.recheck = context.WithCancel(u.ctx)
	return ctx, refs
}

// take takes the client's answers for what it had yet to answer of an update.
func (s *session) take(c *collection, p *pending, answers []xds.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	accepted := false
	var left []offer
	for i, o := range p.offers {
		switch a := answers[i]; {
		case a.Rejected != nil:
			p.rejection = a.Rejected
			c.reject(o, a.Rejected)
		case a.Accepted:
			accepted = c.accept(o) || accepted
		default:
			left = append(left, o)
		}
	}
	p.offers = left
	if accepted {
		s.changed()
	}
}

// changed notes that the copy on disk is out of date. The caller holds mu.
func (s *session) changed() {
	s.accepted++
	s.relay.store.wake()
}

// publish makes the collection current for the client's streams. The caller holds mu.
func (s *session) publish(typeURL string, c *collection) {
	c.published = true
	s.relay.publish(s.id, typeURL, c.snapshot)
}

// connection notes whether a server answers.
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
	u.reason = err
	if connected {
		u.away = false
		if !s.holding {
			u.late.Stop()
		}
		return
	}
	s.serveAlone(u)
}

// overdue serves the client while a server that was asked has not answered yet, or has sent nothing.
func (s *session) overdue(u *upstream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u || u.away {
		return
	}
	if u.connected { // the server has nothing newer than the copy
		s.serveCopy()
		return
	}
	s.log.Info("no server answers yet: the client is served from the relay's copy", "saved", s.saved)
	s.serveAlone(u)
}

// serveAlone serves what the client acknowledged, since no server answers. The caller holds mu.
func (s *session) serveAlone(u *upstream) {
	if !u.away && u.since == u.opened {
		s.undoAll() // no server has answered since the client connected
	}
	u.away = true
	s.serveCopy()
	for typeURL, c := range s.types {
		s.recall(typeURL, c)
	}
}

// restore fills a new session from the copy on disk. The copy is served when no server answers, or before anything
// newer.
func (s *session) restore(from *saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = from.time
	for _, c := range from.types {
		s.add(c)
	}
	s.relay.named.tell()
	s.holding = true
}

// serveCopy publishes what was restored from disk, once. The caller holds mu.
func (s *session) serveCopy() {
	if !s.holding {
		return
	}
	s.holding = false
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

// savingFailed notes why a copy could not be written; nil when it was.
func (s *session) savingFailed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saveError = err
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
