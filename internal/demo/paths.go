package demo

import (
	"context"
	"sync"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// rate is the rate of requests on each path, per second.
const rate = 220

// path is one way of requests through the mesh, with steady traffic.
type path struct {
	name  string
	meter traffic.Meter
}

// startTraffic starts steady traffic on every path.
func (s *stage) startTraffic() error {
	profile := &path{name: "edge > users"}
	shop := &path{name: "edge > web > orders"}
	quotes := &path{name: "desk > quotes (gRPC)"}
	if err := s.startDesk(&traffic.Reader{Meter: &quotes.meter}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	edge := traffic.NewCaller(s.edgeURL())
	var group sync.WaitGroup
	for p, target := range map[*path]string{profile: "/profile", shop: "/"} {
		group.Go(func() {
			traffic.Steadily(ctx, rate, &p.meter, func() (string, error) {
				a, err := edge.Call(context.WithoutCancel(ctx), "shop.example.com", target)
				return a.Instance, err
			})
		})
	}
	s.paths = []*path{profile, shop, quotes}
	s.endPaths = func() {
		cancel()
		group.Wait()
		edge.Close()
	}
	return nil
}

// mark holds the figures of every path at one moment.
type mark []traffic.Figures

func (s *stage) mark() mark {
	var m mark
	for _, p := range s.paths {
		m = append(m, p.meter.Figures())
	}
	return m
}

// since returns the figures of every path between two moments.
func (m mark) since(earlier mark) mark {
	var d mark
	for i := range m {
		d = append(d, m[i].Since(earlier[i]))
	}
	return d
}

// sum adds up all paths.
func (m mark) sum() (sent, failed int, reason string) {
	for _, f := range m {
		sent, failed = sent+f.Sent, failed+f.Failed
		if f.Failed > 0 {
			reason = f.Reason
		}
	}
	return sent, failed, reason
}
