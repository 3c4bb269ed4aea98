package xds

import (
	"testing"
	"time"
)

// An addition waits for what it refers to for the OrderTimeout, and a removal for the RemovalGrace after the
// ACK of what replaced its users. NoWait is no wait at all, and zero is the default.
func TestNoWait(t *testing.T) {
	for _, test := range []struct {
		name            string
		options         ServerOptions
		addition, grace time.Duration
	}{
		{"zero", ServerOptions{}, defaultOrderTimeout, defaultRemovalGrace},
		{"set", ServerOptions{OrderTimeout: 2 * time.Second, RemovalGrace: time.Second}, 2 * time.Second, time.Second},
		{"order timeout", ServerOptions{OrderTimeout: NoWait}, 0, defaultRemovalGrace},
		{"removal grace", ServerOptions{RemovalGrace: NoWait}, defaultOrderTimeout, 0},
		{"both", ServerOptions{OrderTimeout: NoWait, RemovalGrace: NoWait}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := NewSnapshotCache(SnapshotCacheOptions{})
			server := NewServer(cache, test.options)
			defer server.Shutdown()
			cluster := func(name string) *Resource { return NewResource(ClusterType, name, nil, ResourceOptions{}) }
			route := func(to string) *Resource {
				return NewResource(RouteType, "r", []byte(to), ResourceOptions{References: []Ref{{ClusterType, to}}})
			}
			cache.Publish("n", NewSnapshot(cluster("a"), route("a")))
			c := &impatientClient{t: t, now: time.Unix(0, 0), session: &session{
				delta: true, node: &Node{ID: "n"}, waker: asleep{}, source: cache, group: &group{}, rules: &server.rules,
			}}
			c.session.group.sessions = []*session{c.session}
			c.ask(&request{typeURL: ClusterType, names: []string{"a", "b"}})
			c.acknowledge(c.next(ClusterType))
			c.ask(&request{typeURL: RouteType, names: []string{"r"}})
			c.acknowledge(c.next(RouteType))

			published := c.now
			cache.Publish("n", NewSnapshot(cluster("b"), route("b")))
			b := c.next(ClusterType)
			r := c.next(RouteType)
			if waited := c.now.Sub(published); waited != test.addition {
				t.Errorf("the route went %v after its cluster, which is not acknowledged: want %v", waited, test.addition)
			}
			c.acknowledge(b)
			c.acknowledge(r)
			replaced := c.now
			c.next(ClusterType)
			if waited := c.now.Sub(replaced); waited != test.grace {
				t.Errorf("the old cluster went %v after the ACK of the route: want %v", waited, test.grace)
			}
		})
	}
}

// impatientClient is a delta client whose time passes only while it waits for a response.
type impatientClient struct {
	t       *testing.T
	now     time.Time
	session *session
}

func (c *impatientClient) ask(r *request) {
	c.t.Helper()
	r.delta = true
	if err := c.session.receive(c.now, r); err != nil {
		c.t.Fatal(err)
	}
}

func (c *impatientClient) acknowledge(r *response) {
	c.t.Helper()
	c.ask(&request{typeURL: r.watch.typeURL, nonce: r.nonce})
}

// next returns the next response, which is of a type.
func (c *impatientClient) next(typeURL string) *response {
	c.t.Helper()
	for {
		c.session.group.load()
		if r := c.session.next(c.now); r != nil {
			if r.watch.typeURL != typeURL {
				c.t.Fatalf("the next response is of type %s: want %s", r.watch.typeURL, typeURL)
			}
			return r
		}
		at := c.session.wakeup()
		if at.IsZero() {
			c.t.Fatalf("there is no response of type %s", typeURL)
		}
		c.now = at
	}
}
