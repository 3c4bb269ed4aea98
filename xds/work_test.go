package xds

import (
	"fmt"
	"testing"
	"time"
)

// The tests named ...Work hold that work is proportional to what changed: they count, and do not
// measure time. The benchmarks of the same matters are in work_bench_test.go.

// silentWaker is the waker of a session that the test runs itself.
type silentWaker struct{}

func (silentWaker) wake()              {}
func (silentWaker) rejected(Rejection) {}

func testSession(source Source, delta bool, id string) *session {
	s := &session{delta: delta, node: &Node{ID: id}, waker: silentWaker{}, source: source, group: &group{}, rules: &rules{
		orderTimeout: defaultOrderTimeout, removalGrace: defaultRemovalGrace, bodyCache: &bodyCache{},
	}}
	s.group.sessions = []*session{s}
	return s
}

// exchange sends r, unless it is nil, acknowledges every response and returns them.
func exchange(t testing.TB, s *session, r *request) []*response {
	t.Helper()
	now := time.Unix(0, 0)
	if r != nil {
		r.delta = s.delta
		if err := s.receive(now, r); err != nil {
			t.Fatal(err)
		}
	}
	var all []*response
	for {
		s.group.load()
		p := s.next(now)
		if p == nil {
			return all
		}
		all = append(all, p)
		ack := &request{typeURL: p.watch.typeURL, nonce: p.nonce, delta: s.delta}
		if !s.delta {
			ack.names = p.watch.asked
			if p.watch.wildcard {
				ack.names = append([]string{"*"}, ack.names...)
			}
		}
		if err := s.receive(now, ack); err != nil {
			t.Fatal(err)
		}
	}
}

func numbered(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%07d", prefix, i)
	}
	return all
}

func resourcesOf(typeURL string, names []string, body []byte) []*Resource {
	all := make([]*Resource, len(names))
	for i, name := range names {
		all[i] = NewResource(typeURL, name, body, ResourceOptions{})
	}
	return all
}

// unshared counts the resources of a table in chunks that it does not share with another.
func unshared(t, with *table) int {
	shared := map[**Resource]bool{}
	for _, c := range with.chunks {
		shared[&c[0]] = true
	}
	n := 0
	for _, c := range t.chunks {
		if !shared[&c[0]] {
			n += len(c)
		}
	}
	return n
}

// A large first sync is sent in parts. Each part looks only at what is in it, since what the
// client has by then shares its chunks with what there is; and other streams are sent the same bytes.
func TestFirstSyncWork(t *testing.T) {
	const n = 10_000
	cache := NewLinearCache(EndpointType)
	cache.Put(resourcesOf(EndpointType, numbered("e", n), make([]byte, 1000))...)
	for _, delta := range []bool{true, false} {
		first, second := testSession(cache, delta, "1"), testSession(cache, delta, "2")
		ask := func() *request { return &request{typeURL: EndpointType, names: []string{"*"}} }
		if !delta {
			ask = func() *request { return &request{typeURL: EndpointType, names: numbered("e", n)} }
		}
		for _, s := range []*session{first, second} { // both subscribe before anything is sent
			r := ask()
			r.delta = delta
			if err := s.receive(time.Unix(0, 0), r); err != nil {
				t.Fatal(err)
			}
		}
		sent := 0
		responses, others := exchange(t, first, nil), exchange(t, second, nil)
		if len(responses) != len(others) || len(responses) < 4 {
			t.Fatalf("delta %v: %d responses and %d, want as many, at least 4", delta, len(responses), len(others))
		}
		for i, r := range responses {
			sent += r.list.added
			if r.size() > maxResponse+maxResponse/10 {
				t.Errorf("delta %v: response %d has %d bytes", delta, i, r.size())
			}
			if r.body != others[i].body {
				t.Errorf("delta %v: response %d is encoded for each stream", delta, i)
			}
			if n := unshared(r.list.result.table, first.watch(EndpointType).want.table); n > 2*chunkSize {
				t.Errorf("delta %v: after response %d, %d resources have to be compared again", delta, i, n)
			}
		}
		if sent != n {
			t.Errorf("delta %v: %d resources sent, want %d", delta, sent, n)
		}
	}
}

// The same when some of it is held back and each stream has to choose.
func TestFirstSyncWorkWithHolds(t *testing.T) {
	const n = 10_000
	cache := NewSnapshotCache(SnapshotCacheOptions{})
	names := numbered("r", n)
	routes := resourcesOf(RouteType, names, make([]byte, 1000))
	for i := 0; i < n; i += 1000 {
		routes[i] = NewResource(RouteType, names[i], []byte("1"), ResourceOptions{References: []Ref{{ClusterType, "c"}}})
	}
	old := NewResource(ClusterType, "c", []byte("1"), ResourceOptions{})
	cache.Publish("n", NewSnapshot(old))
	s := testSession(cache, true, "n")
	exchange(t, s, &request{typeURL: ClusterType})
	exchange(t, s, &request{typeURL: RouteType, names: append([]string{"other"}, names...)})
	cache.Publish("n", NewSnapshot(append(routes, NewResource(ClusterType, "c", []byte("2"), ResourceOptions{}))...))
	now := time.Unix(0, 0)
	s.group.load()
	if r := s.next(now); r.watch.typeURL != ClusterType {
		t.Fatalf("%s came first", r.watch.typeURL)
	}
	w := s.watch(RouteType)
	sent := 0
	for {
		s.group.load()
		r := s.next(now)
		if r == nil {
			break
		}
		sent += r.list.added
		if again := unshared(w.sent.table, w.want.table); again > (sent/1000+2)*2*chunkSize {
			t.Errorf("after %d of %d resources, %d have to be compared again", sent, n, again)
		}
		if err := s.receive(now, &request{typeURL: RouteType, nonce: r.nonce, delta: true}); err != nil {
			t.Fatal(err)
		}
	}
	if held := n / 1000; sent != n-held || len(w.withheld) != held {
		t.Errorf("%d sent and %d held, want %d and %d", sent, len(w.withheld), n-held, held)
	}
}

// A client that asks for one more name keeps its subscription, which is changed in place, and what
// it contains shares its chunks with what it contained.
func TestOneMoreNameWork(t *testing.T) {
	const n = 2000
	cache := NewLinearCache(ClusterType)
	names := numbered("c", n)
	cache.Put(resourcesOf(ClusterType, names, []byte("1"))...)
	for _, wildcard := range []string{"c0000000", "*"} {
		s := testSession(cache, true, "n")
		exchange(t, s, &request{typeURL: ClusterType, names: append([]string{wildcard}, names[:n/2]...)})
		w := s.watch(ClusterType)
		subscription := w.parts[0]
		for _, change := range []request{{names: names[n-1:]}, {names: []string{"none"}}, {drop: names[7:8]}, {names: names[7:8], drop: names[8:9]}} {
			before := w.want.table
			change.typeURL = ClusterType
			exchange(t, s, &change)
			if w.parts[0] != subscription {
				t.Errorf("%s: another subscription after %v, %v", wildcard, change.names, change.drop)
			}
			if n := unshared(w.want.table, before); n > 2*chunkSize {
				t.Errorf("%s: %d resources were looked up after %v, %v", wildcard, n, change.names, change.drop)
			}
		}
	}
}

// A mux that chooses sources by name merges what changed, and starts from the largest content.
func TestMuxByNameWork(t *testing.T) {
	large, small := NewLinearCache(ClusterType), NewLinearCache(ClusterType)
	large.Put(resourcesOf(ClusterType, numbered("a", 10_000), []byte("1"))...)
	small.Put(resourcesOf(ClusterType, numbered("b", 3), []byte("1"))...)
	s := testSession(twoSources(large, small), true, "n")
	exchange(t, s, &request{typeURL: ClusterType, names: []string{"*", "b0000001", "b0000002"}})
	w := s.watch(ClusterType)
	if n := unshared(w.want.table, large.table); n > 2*chunkSize {
		t.Errorf("%d of %d resources were merged", n, w.want.count)
	}
	for _, change := range []func(){
		func() { large.Put(NewResource(ClusterType, "a0000007", []byte("2"), ResourceOptions{})) },
		func() { small.Delete("b0000001") },
		func() { exchange(t, s, &request{typeURL: ClusterType, names: []string{"b0000000"}}) },
	} {
		before := w.want.table
		change()
		exchange(t, s, nil)
		if n := unshared(w.want.table, before); n == 0 || n > 2*chunkSize {
			t.Errorf("%d of %d resources were merged", n, w.want.count)
		}
	}
}

// twoSources sends the names that begin with "b" to the second source.
func twoSources(first, second Source) *Mux {
	return NewMux(MuxOptions{Types: map[string]Source{ClusterType: first}, Names: map[string]func(string) Source{ClusterType: func(name string) Source {
		if name[0] == 'b' {
			return second
		}
		return nil
	}}})
}

// A snapshot that was made anew shares its chunks with the one before all the same, so that streams
// look only at what changed; and so does a linear cache after many changes.
func TestPublicationsShare(t *testing.T) {
	const n = 2000
	names := numbered("c", n)
	cache, linear := NewSnapshotCache(SnapshotCacheOptions{}), NewLinearCache(ClusterType)
	all := func(i int) []*Resource {
		all := resourcesOf(ClusterType, names, []byte("1"))
		all[i*97%n] = NewResource(ClusterType, names[i*97%n], fmt.Append(nil, "changed", i), ResourceOptions{})
		return all
	}
	cache.Publish("n", NewSnapshot(all(0)...))
	linear.Replace(all(0))
	for _, source := range []Source{cache, linear} {
		s := testSession(source, true, "n")
		exchange(t, s, &request{typeURL: ClusterType})
		for i := range 40 {
			before := s.watch(ClusterType).want.table
			if source == Source(cache) {
				cache.Publish("n", NewSnapshot(all(i+1)...))
			} else {
				linear.Put(all(i + 1)[(i+1)*97%n])
			}
			exchange(t, s, nil)
			if n := unshared(s.watch(ClusterType).want.table, before); n == 0 || n > 6*chunkSize {
				t.Errorf("%T: %d of %d resources have to be compared after publication %d", source, n, len(names), i)
			}
		}
		c := s.watch(ClusterType).parts[0].collection
		for r := range c.published.all() {
			if !sameContent(c.table.get(r.name), r) || c.table.count != c.published.count {
				t.Fatalf("%T: the collection does not have what was published as %s", source, r.name)
			}
		}
		if n := unshared(c.published, linear.table); source == Source(linear) && n > 0 {
			t.Errorf("the linear cache's table was copied: %d", n)
		}
	}
}
