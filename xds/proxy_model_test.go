package xds

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// proxy is a model of a client that serves traffic: what it was given, what of that it uses, and
// what it asks for. It shares no code with the engine but the encoding of messages.
//
// A resource's body says what it refers to: "7;route/r1;cluster/a". A body that begins with "!" is
// one that the client refuses.
//
// As in Envoy, a listener, a scope or a cluster that changes is not used before it is complete
// ("warm"): until then the client goes on with the one it had. Routes are used at once. A proxy
// that is lazy asks for listeners and clusters by name, and waits for the clusters of a route too,
// as gRPC clients do.
type proxy struct {
	lazy      bool // asks for clusters only when it needs them, and by name
	tidy      bool // drops names as soon as it does not need them
	partly    bool // applies the good resources of a response that it refuses
	listeners []string

	has      map[string]map[string]string // type -> name -> body, as given last
	active   map[string]map[string]string // of the types that warm: what is in use
	given    map[Ref]int                  // when: the number of the delivery
	count    int
	requests int          // sent so far, on all streams
	excused  map[Ref]bool // of which the server cannot know that the client has them
	partial  map[Ref]bool // that it took from a response which it refused, and was not given since
}

const proxyBad = "!"

// proxyTypes are in the order in which a client asks for them.
var proxyTypes = []string{ClusterType, EndpointType, ListenerType, ScopedRouteType, RouteType, SecretType}

func newProxy() *proxy {
	p := &proxy{has: map[string]map[string]string{}, active: map[string]map[string]string{}, given: map[Ref]int{}, excused: map[Ref]bool{}, partial: map[Ref]bool{}}
	for _, typeURL := range proxyTypes {
		p.has[typeURL], p.active[typeURL] = map[string]string{}, map[string]string{}
	}
	return p
}

// bodyRefs are the references that a body names.
func bodyRefs(body string) []Ref {
	var refs []Ref
	for _, word := range strings.Split(body, ";")[1:] {
		kind, name, _ := strings.Cut(word, "/")
		refs = append(refs, Ref{scriptType(kind), name})
	}
	return refs
}

func (p *proxy) wildcard(typeURL string) bool {
	return typeURL == ScopedRouteType || !p.lazy && (typeURL == ClusterType || typeURL == ListenerType)
}

// warms says whether a changed resource of the type is used only once it is complete.
func (p *proxy) warms(typeURL string) bool {
	switch typeURL {
	case ListenerType, ScopedRouteType, ClusterType:
		return true
	case RouteType:
		return p.lazy
	}
	return false
}

// inUse is what the client uses of a type.
func (p *proxy) inUse(ref Ref) (string, bool) {
	of := p.has
	if p.warms(ref.Type) {
		of = p.active
	}
	body, ok := of[ref.Type][ref.Name]
	return body, ok
}

// needs are the names that the client has a use for: those that something refers to which it uses
// or has been given.
func (p *proxy) needs(typeURL string) map[string]bool {
	names := map[string]bool{}
	if typeURL == ListenerType {
		for _, name := range p.listeners {
			names[name] = true
		}
		return names
	}
	for _, of := range []map[string]map[string]string{p.has, p.active} {
		for _, bodies := range of {
			for _, body := range bodies {
				for _, ref := range bodyRefs(body) {
					if ref.Type == typeURL {
						names[ref.Name] = true
					}
				}
			}
		}
	}
	return names
}

// apply takes resources and removals of a type, and makes active what has become complete.
func (p *proxy) apply(typeURL string, resources map[string]string, removed []string) {
	p.count++
	for name, body := range resources {
		ref := Ref{typeURL, name}
		if p.has[typeURL][name] != body || typeURL == EndpointType {
			p.given[ref] = p.count
		}
		p.has[typeURL][name] = body
	}
	for _, name := range removed {
		p.drop(Ref{typeURL, name})
	}
	p.warm()
}

func (p *proxy) drop(ref Ref) {
	delete(p.has[ref.Type], ref.Name)
	delete(p.active[ref.Type], ref.Name)
}

func (p *proxy) warm() {
	for again := true; again; {
		again = false
		for _, typeURL := range proxyTypes {
			if !p.warms(typeURL) {
				continue
			}
			for name, body := range p.has[typeURL] {
				if p.active[typeURL][name] != body && p.complete(Ref{typeURL, name}, body) {
					p.active[typeURL][name] = body
					again = true
				}
			}
		}
	}
}

// complete says whether all is there that a resource waits for before it is used.
func (p *proxy) complete(of Ref, body string) bool {
	for _, ref := range bodyRefs(body) {
		_, ok := p.inUse(ref)
		switch {
		case ref.Type == ClusterType && !p.lazy: // Envoy does not wait for clusters
		case !ok:
			return false
		case ref.Type == EndpointType && !p.lazy && p.given[ref] < p.given[of]:
			return false // Envoy wants the endpoints of a changed cluster once more
		}
	}
	return true
}

// unresolved follows what is in use from the listeners and returns what is missing.
func (p *proxy) unresolved() []string {
	var missing []string
	seen := map[Ref]bool{}
	var follow func(path string, body string)
	follow = func(path, body string) {
		for _, ref := range bodyRefs(body) {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			at := fmt.Sprintf("%s -> %s/%s", path, scriptTypeName(ref.Type), ref.Name)
			next, ok := p.inUse(ref)
			switch {
			case ok:
				delete(p.excused, ref)
			case p.excused[ref]:
				continue
			default:
				missing = append(missing, at)
				continue
			}
			follow(at, next)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.active[ListenerType])) {
		follow("listener/"+name, p.active[ListenerType][name])
	}
	return missing
}

// proxyMessage is a response as the client reads it.
type proxyMessage struct {
	typeURL, nonce, version string
	resources               map[string]string
	removed                 []string
	whole                   bool
}

func readMessage(r *response) *proxyMessage {
	r.tail = tailOf(r, "")
	r.ProtoReflect()
	m := &proxyMessage{typeURL: r.watch.typeURL, nonce: r.nonce, resources: map[string]string{}}
	switch g := r.message.(type) {
	case *discoveryv3.DiscoveryResponse:
		m.version = g.VersionInfo
		m.whole = m.typeURL == ClusterType || m.typeURL == ListenerType || m.typeURL == ScopedRouteType
		for _, any := range g.Resources { // of the form name=body
			name, body, _ := strings.Cut(string(any.Value), "=")
			m.resources[name] = body
		}
	case *discoveryv3.DeltaDiscoveryResponse:
		for _, resource := range g.Resources {
			_, body, _ := strings.Cut(string(resource.Resource.Value), "=")
			m.resources[resource.Name] = body
		}
		m.removed = g.RemovedResources
	}
	return m
}

func (m *proxyMessage) String() string {
	return fmt.Sprintf("%s %v -%v (%s)", scriptTypeName(m.typeURL), m.resources, m.removed, m.nonce)
}

// link is one stream of a proxy. Messages travel in order, and arrive when the test lets them.
type link struct {
	proxy   *proxy
	session *session
	types   []string
	up      []*request
	order   []sending // of up
	down    []*proxyMessage
	woken   bool
	asked   map[string]map[string]bool
	nonce   map[string]string
	version map[string]string // accepted last, in state-of-the-world
	begun   map[string]bool   // a response of the type came on this stream
	claims  int               // first requests that have not arrived
	returns bool              // not the first stream
}

func (l *link) wake()              { l.woken = true }
func (l *link) rejected(Rejection) {}

// start sends the first request of each type that the client has a use for.
func (l *link) start() {
	for _, typeURL := range l.types {
		l.ask(typeURL, true)
	}
}

// ask tells the server of a changed subscription. In state-of-the-world that is an ACK as well.
func (l *link) ask(typeURL string, drop bool) {
	p := l.proxy
	needs := p.needs(typeURL)
	wildcard := p.wildcard(typeURL)
	if wildcard {
		needs = map[string]bool{}
	}
	before, known := l.asked[typeURL]
	if !drop {
		maps.Copy(needs, before)
	}
	if !known && len(needs) == 0 && !wildcard {
		clear(p.has[typeURL]) // it came back, and has no use for any
		clear(p.active[typeURL])
		return
	}
	if known && maps.Equal(needs, before) {
		return
	}
	l.asked[typeURL] = needs
	r := &request{typeURL: typeURL, delta: l.session.delta}
	switch {
	case !l.session.delta:
		r.nonce, r.names, r.version = l.nonce[typeURL], slices.Sorted(maps.Keys(needs)), l.version[typeURL]
	default:
		for name := range needs {
			if !before[name] {
				r.names = append(r.names, name)
			}
		}
		for name := range before {
			if !needs[name] {
				r.drop = append(r.drop, name)
			}
		}
		slices.Sort(r.names)
		slices.Sort(r.drop)
		if !known {
			r.initial = map[string]string{}
			for name, body := range p.has[typeURL] {
				if wildcard || needs[name] {
					r.initial[name] = proxyResource(Ref{typeURL, name}, body).version
				}
			}
		}
	}
	if !wildcard {
		for name := range p.has[typeURL] {
			if !needs[name] {
				p.drop(Ref{typeURL, name})
			}
		}
	}
	if !known {
		l.claims++
	}
	drops := false
	for name := range before {
		drops = drops || !needs[name]
	}
	l.send(r, drops)
}

func (l *link) send(r *request, drops bool) {
	l.proxy.requests++
	l.up, l.order = append(l.up, r), append(l.order, sending{l.proxy.requests, drops})
}

// sending is the number of a request, and whether it drops a name.
type sending struct {
	number int
	drops  bool
}

// droppedBefore says whether a name is dropped in a request that was sent before the one with a number and
// has not arrived.
func (l *link) droppedBefore(number int) bool {
	return slices.ContainsFunc(l.order, func(s sending) bool { return s.drops && s.number < number })
}

// read takes the next response and answers it.
func (l *link) read() *proxyMessage {
	p, m := l.proxy, l.down[0]
	l.down = l.down[1:]
	l.nonce[m.typeURL] = m.nonce
	var bad []string
	for name, body := range m.resources {
		if !p.wildcard(m.typeURL) && !l.asked[m.typeURL][name] {
			delete(m.resources, name) // it let go of it meanwhile
		} else if strings.HasPrefix(body, proxyBad) {
			bad = append(bad, name)
		}
	}
	removed := m.removed
	if m.whole {
		for name := range p.has[m.typeURL] {
			if _, ok := m.resources[name]; !ok {
				removed = append(removed, name)
				if !l.begun[m.typeURL] && l.returns || p.partial[Ref{m.typeURL, name}] {
					p.excused[Ref{m.typeURL, name}] = true
				}
			}
		}
	}
	answer := &request{typeURL: m.typeURL, delta: l.session.delta, nonce: m.nonce, nack: len(bad) > 0}
	good := maps.Clone(m.resources)
	for _, name := range bad {
		delete(good, name)
	}
	if len(bad) == 0 {
		l.version[m.typeURL] = m.version
	}
	if m.whole && l.returns && !l.begun[m.typeURL] {
		for _, body := range m.resources { // all goes in one response, so it cannot be in order
			for _, ref := range bodyRefs(body) {
				if _, ok := p.inUse(ref); ref.Type == m.typeURL && !ok {
					p.excused[ref] = true
				}
			}
		}
	}
	l.begun[m.typeURL] = l.begun[m.typeURL] || len(bad) == 0
	if len(bad) == 0 || p.partly {
		p.apply(m.typeURL, good, slices.DeleteFunc(slices.Clone(removed), func(name string) bool { return slices.Contains(bad, name) }))
	}
	for name := range good {
		p.partial[Ref{m.typeURL, name}] = len(bad) > 0
	}
	if !answer.delta {
		answer.names, answer.version = slices.Sorted(maps.Keys(l.asked[m.typeURL])), l.version[m.typeURL]
	}
	l.send(answer, false)
	return m
}
