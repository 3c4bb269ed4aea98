package demo

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// path is one way for requests through the mesh, under steady traffic.
type path struct {
	name  string
	meter meter
}

// startTraffic starts steady traffic on every path.
func (s *stage) startTraffic() error {
	profile := &path{name: "edge > users"}
	shop := &path{name: "edge > web > orders"}
	quotes := &path{name: "desk > quotes (gRPC)"}
	if err := s.startDesk(&figuresReader{meter: &quotes.meter}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	edge := newCaller(s.edgeURL())
	var group sync.WaitGroup
	for p, target := range map[*path]string{profile: "/profile", shop: "/"} {
		group.Go(func() {
			steadily(ctx, &p.meter, func() (string, error) {
				a, err := edge.call(context.WithoutCancel(ctx), "shop.example.com", target)
				return a.Instance, err
			})
		})
	}
	s.paths = []*path{profile, shop, quotes}
	s.endPaths = func() {
		cancel()
		group.Wait()
		edge.close()
	}
	return nil
}

// figuresReader reads the figures that another process writes, one line each time.
type figuresReader struct {
	meter *meter
	rest  bytes.Buffer
}

// Write never fails: it ignores lines that are not figures.
func (r *figuresReader) Write(p []byte) (int, error) {
	r.rest.Write(p)
	for {
		line, err := r.rest.ReadBytes('\n')
		if err == io.EOF {
			r.rest.Write(line) // its end has not come
			return len(p), nil
		}
		_ = r.meter.take(line)
	}
}

// mark holds the figures of every path at one moment.
type mark []figures

func (s *stage) mark() mark {
	var m mark
	for _, p := range s.paths {
		m = append(m, p.meter.figures())
	}
	return m
}

// since returns the figures of every path between two moments.
func (m mark) since(earlier mark) mark {
	var d mark
	for i := range m {
		d = append(d, m[i].since(earlier[i]))
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
