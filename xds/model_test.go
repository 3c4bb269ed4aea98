package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
)

// modelClient is the protocol as a client sees it, as plainly as it can be said: what it
// asked for, what it has, what it refused. It is the specification the core is held to.
type modelClient struct {
	t        *testing.T
	random   *rand.Rand
	session  *session
	kind     *kind
	wildcard bool
	named    bool // ever
	names    map[string]bool
	has      map[string]string
	refused  []map[string]string // what would have been another in a response that was refused
	nonce    string
	nonces   map[string]bool
	pending  *response
}

func (c *modelClient) wake()              {}
func (c *modelClient) rejected(Rejection) {}

func (c *modelClient) wants(name string) bool { return c.wildcard || c.names[name] }

// subscribe asks for exactly these names, and everything if wildcard, in either protocol.
func (c *modelClient) subscribe(now time.Time, wildcard bool, names map[string]bool) {
	r := &request{delta: c.session.delta, typeURL: c.kind.typeURL}
	if c.session.delta {
		for name := range names {
			if !c.names[name] || c.random.IntN(4) == 0 {
				r.names = append(r.names, name)
			}
		}
		for name := range c.names {
			if !names[name] {
				r.drop = append(r.drop, name)
			}
		}
		if wildcard && !c.wildcard {
			r.names = append(r.names, "*")
		} else if !wildcard && c.wildcard {
			r.drop = append(r.drop, "*")
		}
		if len(r.names) == 0 && c.nonce == "" && !c.named {
			return // would mean everything
		}
	} else {
		r.nonce = c.nonce
		r.names = slices.Collect(maps.Keys(names))
		if wildcard {
			r.names = append(r.names, "*")
		}
		if len(r.names) == 0 && !c.named {
			return
		}
	}
	c.named, c.wildcard, c.names = true, wildcard, names
	if !c.session.delta && c.pending != nil {
		c.accept(c.pending) // the request answers the response too
		c.pending = nil
	}
	for name := range c.has {
		if !c.wants(name) {
			delete(c.has, name)
		}
	}
	c.receive(now, r)
}

func (c *modelClient) receive(now time.Time, r *request) {
	c.session.group.load()
	if err := c.session.receive(now, r); err != nil {
		c.t.Fatal(err)
	}
}

// read takes a response and checks what holds for every one.
func (c *modelClient) read(r *response) {
	if c.pending != nil {
		c.t.Fatal("a second response while one is not acknowledged")
	}
	if c.nonces[r.nonce] || r.nonce == "" {
		c.t.Fatalf("nonce %q again", r.nonce)
	}
	c.nonces[r.nonce], c.nonce, c.pending = true, r.nonce, r
	seen, fresh := map[string]bool{}, map[string]string{}
	for name, version := range c.contents(r) {
		if seen[name] {
			c.t.Fatalf("%q twice in a response", name)
		}
		seen[name] = true
		if c.has[name] != version {
			fresh[name] = version
		}
	}
	for _, refused := range c.refused {
		if holdsAll(fresh, refused) {
			c.t.Fatalf("%v was refused and came again", refused)
		}
	}
}

// holdsAll says whether all of part is in whole.
func holdsAll(whole, part map[string]string) bool {
	for name, version := range part {
		if whole[name] != version {
			return false
		}
	}
	return true
}

// contents are the names and versions in a response, decoded from what goes on the wire.
func (c *modelClient) contents(r *response) map[string]string {
	r.tail = tailOf(r, "")
	r.ProtoReflect()
	all := map[string]string{}
	switch m := r.message.(type) {
	case *discoveryv3.DiscoveryResponse:
		for _, any := range m.Resources { // bodies are name=version
			all[string(any.Value[:1])] = string(any.Value)
		}
	case *discoveryv3.DeltaDiscoveryResponse:
		for _, resource := range m.Resources {
			all[resource.Name] = string(resource.Resource.Value)
		}
	}
	return all
}

func (c *modelClient) accept(r *response) {
	contents := c.contents(r)
	partly := func(refused map[string]string) bool {
		for name, version := range refused {
			if contents[name] == version {
				return true // it is not what it was refused with any more
			}
		}
		return false
	}
	c.refused = slices.DeleteFunc(c.refused, partly)
	if r.whole != nil {
		clear(c.has)
	}
	for name, version := range contents {
		if c.wants(name) {
			c.has[name] = version
		}
	}
	if m, ok := r.message.(*discoveryv3.DeltaDiscoveryResponse); ok {
		for _, name := range m.RemovedResources {
			delete(c.has, name)
		}
	}
}

// answer acknowledges what was read, or refuses it as a whole.
func (c *modelClient) answer(now time.Time, refuse bool) {
	if c.pending == nil {
		return
	}
	pending := c.pending
	c.pending = nil
	r := &request{delta: c.session.delta, typeURL: c.kind.typeURL, nonce: pending.nonce}
	if !r.delta {
		r.names = slices.Collect(maps.Keys(c.names))
		if c.wildcard {
			r.names = append(r.names, "*")
		}
	}
	fresh := map[string]string{}
	for name, version := range c.contents(pending) {
		if c.has[name] != version {
			fresh[name] = version
		}
	}
	if refuse && len(fresh) > 0 {
		r.nack, r.message = true, "no"
		c.refused = append(c.refused, fresh)
	} else {
		c.accept(pending)
	}
	c.receive(now, r)
}

// FuzzInterleavings plays random publications, subscriptions, ACKs and NACKs and checks
// that, once all is quiet, every client has exactly what it asked for, but what it refused as a whole.
func FuzzInterleavings(f *testing.F) {
	for seed := range uint64(80) {
		f.Add(seed, uint16(60))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := time.Unix(0, 0)
		cache := NewSnapshotCache(SnapshotCacheOptions{View: func(*Node) string { return "v" }})
		rules := &rules{isolate: seed%2 == 0, orderTimeout: defaultOrderTimeout, removalGrace: defaultRemovalGrace}
		var clients []*modelClient
		for i := range 4 {
			c := &modelClient{
				t: t, random: random, names: map[string]bool{}, has: map[string]string{}, nonces: map[string]bool{},
				kind: kindOf([]string{ClusterType, EndpointType}[i/2]),
			}
			c.session = &session{delta: i%2 == 0, node: &Node{ID: "n"}, waker: c, rules: rules, source: cache, group: &group{}}
			c.session.group.sessions = []*session{c.session}
			clients = append(clients, c)
		}
		source := map[string]string{}
		names := []string{"a", "b", "c", "d", "e", "f"}
		pump := func() {
			for _, c := range clients {
				c.session.group.load()
				for r := c.session.next(now); r != nil; r = c.session.next(now) {
					c.read(r)
				}
			}
		}
		for step := range steps % 500 {
			c := clients[random.IntN(len(clients))]
			switch random.IntN(5) {
			case 0:
				for range random.IntN(3) + 1 {
					name := names[random.IntN(len(names))]
					if random.IntN(3) == 0 {
						delete(source, name)
					} else {
						source[name] = fmt.Sprintf("%s=%d", name, step)
					}
				}
				var all []*Resource
				for name, body := range source {
					all = append(all, NewResource(ClusterType, name, []byte(body), ResourceOptions{}),
						NewResource(EndpointType, name, []byte(body), ResourceOptions{}))
				}
				cache.Publish("v", NewSnapshot(all...))
			case 1:
				asked := map[string]bool{}
				for _, name := range names {
					if random.IntN(3) == 0 {
						asked[name] = true
					}
				}
				c.subscribe(now, c.kind.whole && random.IntN(4) == 0, asked)
			case 2:
				now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			default:
				c.answer(now, random.IntN(6) == 0)
			}
			pump()
		}
		settle(t, clients, &now, pump)
		for i, c := range clients {
			c.check(i, source)
		}
	})
}

func settle(t *testing.T, clients []*modelClient, now *time.Time, pump func()) {
	for range 100 {
		busy := false
		for _, c := range clients {
			busy = busy || c.pending != nil
			c.answer(*now, false)
		}
		pump()
		*now = now.Add(time.Second)
		pump()
		if !busy {
			return
		}
	}
	t.Fatal("it never becomes quiet")
}

// check compares what the client has with what it asked for. It may lack what was refused as a
// part of something that is all still so: then it has what it had before.
func (c *modelClient) check(i int, source map[string]string) {
	c.t.Helper()
	want := map[string]string{}
	for name, version := range source {
		if c.wants(name) {
			want[name] = version
		}
	}
	has := map[string]string{}
	for name, version := range c.has {
		if _, exists := source[name]; exists || c.session.delta || c.kind.whole || c.wildcard {
			has[name] = version
		}
	}
	lacks := map[string]bool{}
	for _, refused := range c.refused {
		for name := range refused {
			lacks[name] = lacks[name] || holdsAll(want, refused)
		}
	}
	refused := func(name, _ string) bool { return lacks[name] }
	maps.DeleteFunc(want, refused)
	maps.DeleteFunc(has, refused)
	if diff := cmp.Diff(want, has); diff != "" {
		c.t.Errorf("client %d (delta %v, %s) has not what it asked for (-want +has):\n%s", i, c.session.delta, shortType(c.kind.typeURL), diff)
	}
}
