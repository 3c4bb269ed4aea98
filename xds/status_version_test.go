package xds

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// The status of a stream has another version when it is another, and costs no new map while it stays the same.
func TestStatusVersion(t *testing.T) {
	cache := NewLinearCache(ClusterType)
	put := func(name, body string) { cache.Put(NewResource(ClusterType, name, []byte(body), ResourceOptions{})) }
	put("a", "1")
	server := NewServer(cache, ServerOptions{})
	t.Cleanup(server.Shutdown)
	sent := &countingStream{}
	st := newTestStream(t, server, sent, &request{delta: true, typeURL: ClusterType, node: &corev3.Node{Id: "n"}})
	last := st.status()
	expect := func(what string, changed bool) {
		t.Helper()
		now := st.status()
		if (now.Version != last.Version) != changed {
			t.Errorf("%s: version %d after %d, changed: want %v", what, now.Version, last.Version, changed)
		}
		if last = now; !changed && testing.AllocsPerRun(10, func() { st.status() }) > 0 {
			t.Errorf("%s: the same status is made anew", what)
		}
	}
	do := func(r *request) {
		t.Helper()
		r.delta, r.typeURL = true, ClusterType
		if err := st.handle(r); err != nil {
			t.Fatal(err)
		}
	}
	nonce := func() string { return sent.sent[len(sent.sent)-1].nonce }
	expect("nothing", false)
	do(&request{})
	expect("a response is sent", true)
	expect("nothing", false)
	do(&request{nonce: nonce()})
	expect("it is accepted", true)
	expect("nothing", false)
	put("a", "2")
	server.dispatch.wait()
	expect("a change is sent", true)
	do(&request{nonce: nonce(), nack: true, message: "no"})
	expect("it is refused", true)
	if last.Types[ClusterType].Rejected == nil {
		t.Error("the rejection is not shown")
	}
	put("a", "3")
	server.dispatch.wait()
	do(&request{nonce: nonce()})
	expect("the next one is accepted", true)
	do(&request{names: []string{"none"}})
	do(&request{nonce: nonce()})
	expect("a name that does not exist", true)
	if len(last.Types[ClusterType].Missing) != 1 {
		t.Error("the missing name is not shown")
	}
	do(&request{drop: []string{"none"}})
	do(&request{nonce: nonce()})
	expect("it is dropped", true)
	expect("nothing", false)
	st.session.watches[0].ackedAt = st.session.watches[0].ackedAt.Add(time.Hour)
	expect("a type is looked at though nothing happened", false)
	cache.pool.mu.Lock() // whoever looks at what is published waits for ever
	st.status()
	cache.pool.mu.Unlock()
}
