package client

import (
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// A name that is dropped and asked for again before the server was told is dropped and asked for in two
// requests: the user may have discarded the resource, so the server has to send it again.
func TestResubscribe(t *testing.T) {
	for _, name := range []string{"a", Wildcard} {
		c := New(nil, Options{Node: &corev3.Node{}})
		c.Subscribe(typeA, name, "other")
		s := c.types[typeA]
		deltaRequest(s, nil)
		s.accept(&Update{Resources: []Resource{{Name: "a", Version: "1"}}})
		c.Unsubscribe(typeA, name)
		c.Subscribe(typeA, name)
		if s.known["a"] != "" {
			t.Error("the client claims what its user may have discarded")
		}
		if first := deltaRequest(s, nil); !slices.Equal(first.ResourceNamesUnsubscribe, []string{name}) || len(first.ResourceNamesSubscribe) > 0 {
			t.Errorf("first request subscribes to %q, unsubscribes from %q", first.ResourceNamesSubscribe, first.ResourceNamesUnsubscribe)
		}
		if !s.due() {
			t.Fatal("no second request")
		}
		if second := deltaRequest(s, nil); !slices.Equal(second.ResourceNamesSubscribe, []string{name}) || len(second.ResourceNamesUnsubscribe) > 0 {
			t.Errorf("second request subscribes to %q, unsubscribes from %q", second.ResourceNamesSubscribe, second.ResourceNamesUnsubscribe)
		}
		if s.due() {
			t.Error("a third request is due")
		}

		c.Unsubscribe(typeA, name)
		c.Subscribe(typeA, name)
		if first := sotwRequest(s, nil); !slices.Equal(first.ResourceNames, []string{"other"}) || !s.due() {
			t.Errorf("first state-of-the-world request has %q", first.ResourceNames)
		}
		if second := sotwRequest(s, nil); !slices.Contains(second.ResourceNames, name) || s.due() {
			t.Errorf("second state-of-the-world request has %q", second.ResourceNames)
		}
	}
}
