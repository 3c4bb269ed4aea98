package relay

import (
	"fmt"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// TestCloseOfAnUnknownStream: a session that has no such stream is left as it is.
func TestCloseOfAnUnknownStream(t *testing.T) {
	c := newControl(t)
	_, r, _ := startRelayWith(t, Options{}, c.address)
	stream := func(id uint64) xds.StreamInfo {
		return xds.StreamInfo{ID: id, Node: &xds.Node{ID: "n", Proto: &corev3.Node{Id: "n"}}}
	}
	for _, id := range []uint64{1, 2} {
		if err := r.open(t.Context(), stream(id)); err != nil {
			t.Fatal(err)
		}
	}
	r.close(stream(3), nil)
	r.close(stream(1), nil)
	r.close(stream(1), nil)
	if r.find("n").idle() {
		t.Error("the session has no stream: want stream 2")
	}
	r.close(stream(2), nil)
	r.close(stream(3), nil)
}

// TestSessionsThatOpenAreKept: clients that come at once, more than a relay serves, drop no session that is
// about to have a stream.
func TestSessionsThatOpenAreKept(t *testing.T) {
	c := newControl(t)
	_, r, _ := startRelayWith(t, Options{}, c.address)
	var group sync.WaitGroup
	for n := range uint64(4 * maxClients) {
		group.Go(func() {
			id := fmt.Sprint(n)
			stream := xds.StreamInfo{ID: n, Node: &xds.Node{ID: id, Proto: &corev3.Node{Id: id}}}
			if r.open(t.Context(), stream) != nil {
				return // there are too many
			}
			if s := r.find(id); s == nil || s.idle() {
				t.Errorf("stream %d is open, and its session is gone", n)
			}
			r.close(stream, nil)
		})
	}
	group.Wait()
}
