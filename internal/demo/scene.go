package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// proxiesAtStart is how many xDS clients the demo begins with: the edge, six sidecars, and the desk. A gRPC
// program that only serves is no xDS client.
const proxiesAtStart = 8

// flowTimeout bounds how long the first request of each path may take.
const flowTimeout = 30 * time.Second

// opening is how long the parts of the start took.
type opening struct {
	server, all time.Duration
	connected   int
}

// open starts everything, including traffic on every path.
func (s *stage) open(ctx context.Context) (o opening, err error) {
	started := time.Now()
	if o.server, err = s.startServer(ctx); err != nil {
		return o, err
	}
	if err := errors.Join(s.startLedger(), s.startEdge()); err != nil {
		return o, err
	}
	for _, service := range []string{"users", "orders", "web"} {
		for n := 1; n <= 2; n++ {
			if _, err := s.startInstance(service, fmt.Sprintf("%s-%d", service, n)); err != nil {
				return o, err
			}
		}
	}
	for n := 1; n <= 2; n++ {
		if _, err := s.startProxyless("quotes", fmt.Sprintf("quotes-%d", n)); err != nil {
			return o, err
		}
	}
	if err := s.checkedIn(ctx, s.instances...); err != nil {
		return o, err
	}
	if err := s.flows(ctx); err != nil {
		return o, err
	}
	if err := s.startTraffic(); err != nil {
		return o, err
	}
	if o.connected, err = s.inSync(ctx, proxiesAtStart); err != nil {
		return o, err
	}
	o.all = time.Since(started)
	return o, s.allAnswered(ctx)
}

// flows waits until each route of the edge has answered a request.
func (s *stage) flows(ctx context.Context) error {
	edge := traffic.NewCaller(s.edgeURL())
	defer edge.Close()
	return eventually(ctx, flowTimeout, "the edge leads to every service", func() error {
		_, users := edge.Call(ctx, "shop.example.com", "/profile")
		_, web := edge.Call(ctx, "shop.example.com", "/")
		return errors.Join(users, web)
	})
}

// allAnswered waits until every path has had an answer.
func (s *stage) allAnswered(ctx context.Context) error {
	for i, p := range s.paths {
		err := eventually(ctx, flowTimeout, p.name+" is answered", func() error {
			if f := s.mark()[i]; f.Sent == f.Failed {
				return errors.New("no answer yet: " + f.Reason)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the running instance of that name.
func (s *stage) find(name string) *instance {
	for _, i := range s.instances {
		if i.name == name {
			return i
		}
	}
	return nil
}
