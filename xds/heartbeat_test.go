package xds

import (
	"fmt"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// TestHeartbeatsKeepManyResourcesAlive has three hundred resources with TTLs of two to five seconds, one of which
// changes all the time, on a client that answers late. Each is heard of well before its TTL ends, and the
// number of responses does not grow with that of resources.
func TestHeartbeatsKeepManyResourcesAlive(t *testing.T) {
	const n = 300
	now := time.Unix(0, 0)
	ttl := func(i int) time.Duration { return 2*time.Second + time.Duration(i%31)*100*time.Millisecond }
	publish := func(cache *LinearCache, i, version int) {
		name := fmt.Sprintf("r%03d", i)
		cache.Put(NewResource(RuntimeType, name, fmt.Appendf(nil, "%s=%d", name, version), ResourceOptions{TTL: ttl(i)}))
	}
	for _, delta := range []bool{true, false} {
		cache := NewLinearCache(RuntimeType)
		var names []string
		for i := range n {
			publish(cache, i, 0)
			names = append(names, fmt.Sprintf("r%03d", i))
		}
		s := testSession(cache, delta, "n")
		s.ttl = true
		s.group.load()
		if err := s.receive(now, &request{typeURL: RuntimeType, delta: delta, names: names}); err != nil {
			t.Fatal(err)
		}
		heard := map[string]time.Time{}
		responses := 0
		var unanswered []*response
		for step := range 600 { // a minute
			if step%7 == 0 {
				publish(cache, 0, step+1)
			}
			s.group.load()
			for r := s.next(now); r != nil; r = s.next(now) {
				responses++
				unanswered = append(unanswered, r)
				for _, name := range namesIn(r) {
					heard[name] = now
				}
			}
			if step%9 == 0 { // it answers what it has read now and then
				for _, r := range unanswered {
					q := &request{typeURL: RuntimeType, delta: delta, nonce: r.nonce}
					if !delta {
						q.names = names
					}
					if err := s.receive(now, q); err != nil {
						t.Fatal(err)
					}
				}
				unanswered = nil
			}
			now = now.Add(100 * time.Millisecond)
			for i, name := range names {
				if quiet := now.Sub(heard[name]); quiet > ttl(i)*3/4 {
					t.Fatalf("delta %v: %s with a TTL of %v was not heard of for %v", delta, name, ttl(i), quiet)
				}
			}
		}
		if responses > 400 {
			t.Errorf("delta %v: %d responses in a minute", delta, responses)
		}
	}
}

// namesIn are the names of the resources with a TTL in a response.
func namesIn(r *response) []string {
	r.tail = tailOf(r, "")
	r.ProtoReflect()
	var names []string
	switch m := r.message.(type) {
	case *discoveryv3.DiscoveryResponse:
		for _, any := range m.Resources {
			var wrapped discoveryv3.Resource
			if any.TypeUrl == wrapperType && proto.Unmarshal(any.Value, &wrapped) == nil {
				names = append(names, wrapped.Name)
			}
		}
	case *discoveryv3.DeltaDiscoveryResponse:
		for _, resource := range m.Resources {
			names = append(names, resource.Name)
		}
	}
	return names
}
