package fleet

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unique"

	"google.golang.org/protobuf/encoding/protowire"
)

// initialVersions is the field of a delta request with the versions that a client has.
const initialVersions = 5

// sidecar is one of [Sidecars]. While its connection is open, only that connection's goroutine
// touches it, but for what is atomic.
type sidecar struct {
	stream
	all     *Sidecars
	node    []byte // as a field of a request
	watches [countOfTypes]watch
	synced  atomic.Int64 // when it had everything, in nanoseconds since the epoch; 0 before

	// The response that is arriving.
	nonce   []byte
	kind    int
	removed []string
	bytes   int64
	byHost  bool                   // it has routes whose virtual hosts come one by one
	asks    [countOfTypes][]string // names that it leads to and that were not asked for
}

func newSidecar(all *Sidecars, node []byte) *sidecar {
	s := &sidecar{all: all, node: appendField(nil, Delta.fields().node, node), kind: -1}
	for kind := range s.watches {
		s.watches[kind].held = map[string]string{}
	}
	for _, kind := range []int{assignments, routes} {
		s.watches[kind].names, s.watches[kind].missing = map[string]bool{}, map[string]bool{}
	}
	return s
}

// begin subscribes to all clusters, or on a later stream to everything that it subscribed to before.
func (s *sidecar) begin(conn *connection) {
	node := s.node
	for kind := range s.watches {
		w := &s.watches[kind]
		if kind != clusters && !w.asked {
			continue
		}
		w.asked = true
		var names []byte
		for name := range w.names {
			names = appendField(names, Delta.fields().names, []byte(name))
		}
		conn.send(&s.stream, node, typeField(kind), names, w.versions())
		node = nil
	}
}

func typeField(kind int) []byte { return Delta.typeURL(sidecarTypes[kind]) }

// versions are those of what is held, as fields of a request.
func (w *watch) versions() []byte {
	var b []byte
	for name, version := range w.held {
		entry := appendField(appendField(nil, 1, []byte(name)), 2, []byte(version))
		b = appendField(b, initialVersions, entry)
	}
	return b
}

func (s *sidecar) field(number protowire.Number, value []byte) error {
	f := Delta.fields()
	switch number {
	case f.resources:
		return s.resource(value)
	case f.responseNonce:
		s.nonce = append(s.nonce[:0], value...)
	case f.removed:
		s.removed = append(s.removed, string(value))
	case f.responseTypeURL:
		s.kind = slices.Index(sidecarTypes[:], string(value))
	}
	return nil
}

func (s *sidecar) resource(value []byte) error {
	r, err := scanDelta(value)
	if err != nil {
		return err
	}
	kind := slices.Index(sidecarTypes[:], string(r.typeURL))
	if kind < 0 {
		return fmt.Errorf("resource %q of type %q, which was not asked for", r.name, r.typeURL)
	}
	w := &s.watches[kind]
	w.held[unique.Make(string(r.name)).Value()] = unique.Make(string(r.version)).Value()
	delete(w.missing, string(r.name))
	s.bytes += int64(len(value))
	switch kind {
	case routes:
		s.byHost, err = hasVHDS(r.body)
		return err
	case assignments, hosts:
		return nil
	}
	refs, err := s.all.refs.of(r.typeURL, r.body)
	for _, ref := range refs {
		to := &s.watches[ref.kind]
		if !to.names[ref.name] {
			to.names[ref.name], to.missing[ref.name] = true, true
			s.asks[ref.kind] = append(s.asks[ref.kind], ref.name)
		}
	}
	return err
}

// end acknowledges a response and asks for what follows from it.
func (s *sidecar) end(conn *connection) error {
	if s.kind < 0 {
		return fmt.Errorf("response of a type that was not asked for")
	}
	w := &s.watches[s.kind]
	for _, name := range s.removed {
		delete(w.held, name)
		delete(w.missing, name)
	}
	w.answered = true
	conn.fields = appendField(conn.fields[:0], Delta.fields().nonce, s.nonce)
	conn.send(&s.stream, typeField(s.kind), conn.fields)
	w.acknowledged.Store(time.Now().UnixNano())
	w.bytes.Add(s.bytes)
	s.removed, s.bytes, s.kind = s.removed[:0], 0, -1
	s.ask(conn)
	return nil
}

// ask subscribes to names that became known, and to listeners once all clusters are usable.
func (s *sidecar) ask(conn *connection) {
	for kind, names := range s.asks {
		if len(names) == 0 {
			continue
		}
		var fields []byte
		for _, name := range names {
			fields = appendField(fields, Delta.fields().names, []byte(name))
		}
		s.watches[kind].asked = true
		conn.send(&s.stream, typeField(kind), fields)
		s.asks[kind] = names[:0]
	}
	if h := &s.watches[hosts]; s.byHost && !h.asked {
		h.asked = true
		conn.send(&s.stream, typeField(hosts))
	}
	usable := s.watches[clusters].complete() && len(s.watches[assignments].missing) == 0
	if l := &s.watches[listeners]; usable && !l.asked {
		l.asked = true
		conn.send(&s.stream, typeField(listeners))
	}
	hasRoutes := len(s.watches[routes].missing) == 0 && (!s.byHost || s.watches[hosts].complete())
	if usable && s.watches[listeners].complete() && hasRoutes && s.synced.Load() == 0 {
		s.synced.Store(time.Now().UnixNano())
	}
}

// hasVHDS reports whether the virtual hosts of a route configuration come one by one.
func hasVHDS(routes []byte) (bool, error) {
	const vhds = 9 // the field of envoy.config.route.v3.RouteConfiguration
	for len(routes) > 0 {
		number, _, n, err := consumeField(routes)
		if err != nil || number == vhds {
			return err == nil, err
		}
		routes = routes[n:]
	}
	return false, nil
}
