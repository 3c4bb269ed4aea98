package xds

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// proxyResource is a resource whose references are those that its body names.
func proxyResource(ref Ref, body string) *Resource {
	return NewResource(ref.Type, ref.Name, []byte(ref.Name+"="+body), ResourceOptions{References: bodyRefs(body)})
}

// proxyWorld is a server, a proxy and what is published for it.
type proxyWorld struct {
	t      *testing.T
	random *rand.Rand
	now    time.Time
	cache  *SnapshotCache
	rules  *rules
	group  *group
	proxy  *proxy
	links  []*link
	delta  []bool // by link
	shape  [][]string
	graph  map[Ref]string // what is published: bodies
	last   map[Ref]string // what was published last of what is not any more
	serial int
	bad    bool // some resources are refused
	log    []string
	timers map[*link]time.Time
}

func (w *proxyWorld) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// Names that there may be of each type.
var proxyNames = map[string][]string{
	"listener": {"l0", "l1", "l2"}, "scope": {"s0", "s1"}, "route": {"r0", "r1", "r2", "r3"},
	"cluster": {"a", "b", "c", "d", "e"}, "aggregate": {"x", "y"}, "secret": {"t0", "t1", "t2"},
}

func (w *proxyWorld) pick(kind string) string {
	names := proxyNames[kind]
	return names[w.random.IntN(len(names))]
}

func (w *proxyWorld) chance(n int) bool { return w.random.IntN(n) == 0 }

// clusters are references to one to three clusters.
func (w *proxyWorld) clusters() []string {
	var refs []string
	for range 1 + w.random.IntN(3) {
		kind := "cluster"
		if w.chance(5) {
			kind = "aggregate"
		}
		refs = append(refs, "cluster/"+w.pick(kind))
	}
	return refs
}

// invent makes up what a resource refers to.
func (w *proxyWorld) invent(ref Ref) string {
	var refs []string
	add := func(n int, ref ...string) {
		if w.chance(n) {
			refs = append(refs, ref...)
		}
	}
	switch ref.Type {
	case ListenerType:
		add(3, "secret/"+w.pick("secret"))
		switch w.random.IntN(5) {
		case 0, 1:
			add(1, w.clusters()...)
		case 2:
			add(1, "scope/"+w.pick("scope"))
		default:
			add(1, "route/"+w.pick("route"))
		}
	case ScopedRouteType:
		add(1, "route/"+w.pick("route"))
	case RouteType:
		add(1, w.clusters()...)
	case ClusterType:
		if slices.Contains(proxyNames["aggregate"], ref.Name) {
			add(1, "cluster/"+w.pick("cluster"), "cluster/"+w.pick("cluster"))
			break
		}
		name := ref.Name
		if w.chance(4) {
			name += "-2"
		}
		add(1, "endpoint/"+name)
		add(3, "secret/"+w.pick("secret"))
	}
	slices.Sort(refs)
	return strings.Join(append([]string{w.stamp()}, slices.Compact(refs)...), ";")
}

func (w *proxyWorld) stamp() string {
	w.serial++
	text := fmt.Sprint(w.serial)
	if w.bad && w.chance(12) {
		text = proxyBad + text
	}
	return text
}

// change draws another graph in which every reference resolves.
func (w *proxyWorld) change() {
	for _, ref := range w.sorted() {
		if w.chance(4) || w.bad && strings.HasPrefix(w.graph[ref], proxyBad) && w.chance(2) {
			w.graph[ref] = w.invent(ref)
		}
	}
	for _, name := range proxyNames["listener"] {
		ref := Ref{ListenerType, name}
		switch {
		case w.graph[ref] == "" && (name == "l0" || w.chance(3)): // a client without listeners is like one that starts
			w.graph[ref] = w.invent(ref)
		case w.graph[ref] != "" && name != "l0" && w.chance(10):
			delete(w.graph, ref)
		}
	}
	kept := map[Ref]string{}
	var keep func(ref Ref)
	keep = func(ref Ref) {
		if kept[ref] != "" {
			return
		}
		body := w.graph[ref]
		if body == "" && w.chance(2) {
			body = w.last[ref] // it comes back as it was
		}
		if body == "" {
			body = w.invent(ref)
		}
		kept[ref] = body
		for _, to := range bodyRefs(body) {
			keep(to)
		}
	}
	for _, ref := range w.sorted() {
		if ref.Type == ListenerType || w.chance(4) {
			keep(ref)
		}
	}
	maps.Copy(w.last, w.graph)
	w.graph = kept
}

func (w *proxyWorld) sorted() []Ref {
	return slices.SortedFunc(maps.Keys(w.graph), func(a, b Ref) int { return strings.Compare(a.Type+a.Name, b.Type+b.Name) })
}

func (w *proxyWorld) publish() {
	var all []*Resource
	for _, ref := range w.sorted() {
		all = append(all, proxyResource(ref, w.graph[ref]))
		w.note("  publish %s/%s = %s", scriptTypeName(ref.Type), ref.Name, w.graph[ref])
	}
	w.cache.Publish("n", NewSnapshot(all...))
	w.pump()
}

// open opens the stream with a number, with what the client has.
func (w *proxyWorld) open(i int) {
	old := w.links[i]
	l := &link{
		proxy: w.proxy, types: w.shape[i], asked: map[string]map[string]bool{}, nonce: map[string]string{},
		version: map[string]string{}, begun: map[string]bool{},
	}
	if old != nil {
		l.returns, l.version = true, old.version
		for ref := range w.proxy.given { // what it was about to be given it takes as given
			delete(w.proxy.given, ref)
		}
		old.session.close()
		w.group.remove(w.now, old.session)
		delete(w.timers, old)
	}
	l.session = &session{delta: w.delta[i], node: &Node{ID: "n"}, waker: l, rules: w.rules, source: w.cache, group: w.group}
	w.group.sessions = append(w.group.sessions, l.session)
	w.links[i] = l
	l.start()
	w.proxy.warm()
}

// pump lets the streams send that were woken, or whose time has come, and no others.
func (w *proxyWorld) pump() {
	for again, rounds := true, 0; again; rounds++ {
		if rounds > 1000 {
			w.fail("the server does not stop")
		}
		again = false
		for _, l := range w.links {
			if l == nil {
				continue
			}
			if at := w.timers[l]; !l.woken && (at.IsZero() || w.now.Before(at)) {
				continue
			}
			l.woken, again = false, true
			w.group.load()
			for r := l.session.next(w.now); r != nil; r = l.session.next(w.now) {
				m := readMessage(r)
				w.note("  -> %s", m)
				l.down = append(l.down, m)
			}
			w.timers[l] = l.session.wakeup()
			if at := w.timers[l]; !at.IsZero() && !at.After(w.now) {
				w.fail("the server wants to be woken at a time that has passed")
			}
		}
	}
}

func (w *proxyWorld) fail(why string) {
	w.t.Helper()
	for _, line := range w.log {
		w.t.Log(line)
	}
	w.t.Fatal(why)
}

// arrive lets the server take the next request of a stream.
func (w *proxyWorld) arrive(l *link) {
	// A client may drop a name, and need it again for what another stream brings. The server cannot know that
	// the client lacks it unless it learns of the drop before the answer on the other stream.
	for _, o := range w.links {
		for o != nil && o != l && o.droppedBefore(l.order[0].number) {
			w.arrive(o)
		}
	}
	r := l.up[0]
	l.up, l.order = l.up[1:], l.order[1:]
	w.note("%s asks %v -%v knows %d version %q nonce %q refused %v", scriptTypeName(r.typeURL), r.names, r.drop, len(r.initial), r.version, r.nonce, r.nack)
	if r.nonce == "" && l.claims > 0 {
		l.claims--
	}
	w.group.load()
	if err := l.session.receive(w.now, r); err != nil {
		w.fail(err.Error())
	}
	l.woken = true
	w.pump()
}

// deliver lets the client take the next response of a stream, and checks what it then serves.
func (w *proxyWorld) deliver(l *link) {
	m := l.read()
	w.note("client reads %s", m)
	w.ask(w.proxy.tidy)
	w.check()
}

func (w *proxyWorld) ask(drop bool) {
	for again := true; again; {
		before := len(w.proxy.has[ClusterType])
		for _, l := range w.links {
			for _, typeURL := range l.types {
				l.ask(typeURL, drop)
			}
		}
		again = len(w.proxy.has[ClusterType]) != before
	}
}

func (w *proxyWorld) check() {
	if missing := w.proxy.unresolved(); len(missing) > 0 {
		w.note("active %v", w.proxy.active)
		w.fail("the client serves what does not resolve: " + strings.Join(missing, ", "))
	}
}

func (w *proxyWorld) step() {
	l := w.links[w.random.IntN(len(w.links))]
	switch n := w.random.IntN(40); {
	case n < 2:
		w.note("PUBLISH")
		w.change()
		w.publish()
	case n < 3:
		w.ask(true)
	case n < 4:
		for _, l := range w.links {
			if l.claims > 0 {
				return // a client that comes back says all at once what it has
			}
		}
		w.now = w.now.Add(time.Duration(w.random.IntN(400)) * time.Millisecond)
		w.pump()
	case n < 5 && w.chance(4):
		w.note("RECONNECT %v", l.types)
		w.open(slices.Index(w.links, l))
		w.pump()
	case n < 22:
		if len(l.up) > 0 {
			w.arrive(l)
		}
	default:
		if len(l.down) > 0 {
			w.deliver(l)
		}
	}
}

// quiet lets all messages arrive, and a little time pass: that in which a stream which ended may come back,
// if the client does not ask again for a type that it asked for there.
func (w *proxyWorld) quiet() {
	for round := range 8 {
		for busy := true; busy; {
			busy = false
			for _, l := range w.links {
				for len(l.up) > 0 {
					w.arrive(l)
					busy = true
				}
				if len(l.down) > 0 {
					w.deliver(l)
					busy = true
				}
			}
		}
		w.ask(true)
		w.now = w.now.Add(defaultRemovalGrace)
		for range w.group.absent(w.now) {
			if round == 2 {
				w.now = w.now.Add(w.rules.orderTimeout)
			}
		}
		w.note("time passes")
		w.pump()
	}
}

// settled checks that the client has exactly what is published, and that the server knows.
func (w *proxyWorld) settled() {
	p := w.proxy
	for _, l := range w.links {
		for _, typeURL := range l.types {
			want := map[string]string{}
			for ref, body := range w.graph {
				if ref.Type == typeURL && (p.wildcard(typeURL) || l.asked[typeURL][ref.Name]) {
					want[ref.Name] = body
				}
			}
			if !maps.Equal(want, p.has[typeURL]) {
				w.fail(fmt.Sprintf("%s: the client has %v, published is %v", scriptTypeName(typeURL), p.has[typeURL], want))
			}
			if p.warms(typeURL) && !maps.Equal(want, p.active[typeURL]) {
				w.fail(fmt.Sprintf("%s: the client uses %v, published is %v", scriptTypeName(typeURL), p.active[typeURL], want))
			}
			if q := l.session.watch(typeURL); q != nil {
				if status := q.status(); !q.inSync() || len(status.Held) > 0 {
					w.fail(fmt.Sprintf("%s: all is quiet, and the status is %+v", scriptTypeName(typeURL), status))
				}
			}
		}
	}
}

// mend replaces what the client refuses.
func (w *proxyWorld) mend() {
	w.bad = false
	for _, ref := range w.sorted() {
		w.graph[ref] = strings.TrimPrefix(w.graph[ref], proxyBad)
	}
}

// proxyShapes are ways to spread the types over streams.
var proxyShapes = [][][]string{
	{proxyTypes},
	{{ClusterType}, {EndpointType}, {ListenerType}, {ScopedRouteType}, {RouteType}, {SecretType}},
	{{ClusterType, ListenerType, ScopedRouteType, RouteType}, {EndpointType, SecretType}},
}

func runMakeBeforeBreak(t *testing.T, seed uint64, steps int) {
	random := rand.New(rand.NewPCG(seed, 7))
	w := &proxyWorld{
		t: t, random: random, now: time.Unix(0, 0), cache: NewSnapshotCache(SnapshotCacheOptions{}), group: &group{},
		rules: &rules{orderTimeout: time.Hour, removalGrace: defaultRemovalGrace, isolate: seed%5 == 0},
		proxy: newProxy(), graph: map[Ref]string{}, last: map[Ref]string{}, timers: map[*link]time.Time{},
	}
	w.proxy.lazy, w.proxy.tidy, w.proxy.partly = random.IntN(3) == 0, random.IntN(2) == 0, random.IntN(2) == 0
	w.proxy.listeners = proxyNames["listener"]
	w.shape = proxyShapes[max(random.IntN(4)-1, 0)]
	delta := random.IntN(2) == 0
	for range w.shape {
		if random.IntN(8) == 0 {
			delta = !delta
		}
		w.delta = append(w.delta, delta)
	}
	w.links = make([]*link, len(w.shape))
	w.note("seed %d lazy %v tidy %v partly %v delta %v", seed, w.proxy.lazy, w.proxy.tidy, w.proxy.partly, w.delta)
	w.change()
	w.change()
	w.publish()
	for i := range w.links {
		w.open(i)
	}
	w.start()
	w.bad = random.IntN(3) == 0
	for range steps {
		w.step()
	}
	w.mend()
	w.note("QUIET")
	w.publish()
	w.quiet()
	w.settled()
}

// start lets the client come up. It serves nothing before it has all, so nothing is checked.
func (w *proxyWorld) start() {
	for range 20 {
		for _, l := range w.links {
			for len(l.up) > 0 {
				w.arrive(l)
			}
			for len(l.down) > 0 {
				l.read()
				w.ask(true)
			}
		}
	}
	w.check()
	w.settled()
}

var seeds = flag.Int("seeds", 100, "number of random runs of TestMakeBeforeBreak")

// TestMakeBeforeBreak plays random publications to a model of a client that serves traffic: what
// its listeners reach resolves at every moment, whatever messages are under way. Once all is
// quiet it has exactly what is published.
func TestMakeBeforeBreak(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runMakeBeforeBreak(t, seed, 300) })
	}
}

// FuzzMakeBeforeBreak is TestMakeBeforeBreak for any seed.
func FuzzMakeBeforeBreak(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed, uint16(200))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) { runMakeBeforeBreak(t, seed, int(steps%2000)) })
}
