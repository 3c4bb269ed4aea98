package mesh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// rounds is how often a short figure is measured. The median counts, because the server also polls its folder.
const rounds = 5

// timeout returns a different timeout for each round, so that each round is a change.
func timeout(round int) string { return fmt.Sprintf("%dms", 2001+round) }

// edited writes a document and returns what it cost, from writing until the server is at rest, and how
// long after the revision was accepted the last of the proxies acknowledged it.
func (c *scene) edited(ctx context.Context, file, text string, proxies []int) (cpu, latency time.Duration, err error) {
	var accepted, last time.Time
	if err := c.sidecars.do(command{Forget: true}); err != nil {
		return 0, 0, err
	}
	cpu, err = c.cpu(ctx, func() error {
		if accepted, err = c.edit(ctx, file, text); err != nil {
			return err
		}
		last, err = c.sidecars.await(ctx, proxies, anyType)
		return err
	})
	return cpu, last.Sub(accepted), err
}

// medians of several rounds of edited, in milliseconds.
func (c *scene) medians(ctx context.Context, document func(round int) (file, text string, proxies []int)) ([]float64, error) {
	var cpus, latencies []time.Duration
	for round := range rounds {
		file, text, proxies := document(round)
		cpu, latency, err := c.edited(ctx, file, text, proxies)
		if err != nil {
			return nil, err
		}
		cpus, latencies = append(cpus, cpu), append(latencies, latency)
	}
	return []float64{milliseconds(median(cpus)), milliseconds(median(latencies))}, nil
}

func edit(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	return c.medians(ctx, func(round int) (file, text string, proxies []int) {
		return serviceName(round) + ".yaml", c.service(round, timeout(round)), c.callers(round)
	})
}

func editDefault(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	return c.medians(ctx, func(round int) (file, text string, proxies []int) {
		return "mesh.yaml", meshDocument(1 + round), nil
	})
}

// The edits in a row. Services so far apart have no caller in common.
const (
	editCount    = 50
	editInterval = 100 * time.Millisecond
	apart        = 20
)

func edits(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	if err := c.sidecars.do(command{Forget: true}); err != nil {
		return nil, err
	}
	written := make([]time.Time, editCount)
	next := time.NewTicker(editInterval)
	defer next.Stop()
	for i := range written {
		<-next.C
		written[i] = time.Now()
		path := filepath.Join(c.config(), serviceName(i*apart)+".yaml")
		if err := os.WriteFile(path, []byte(c.service(i*apart, "2999ms")), 0o644); err != nil {
			return nil, err
		}
	}
	return c.latencies(ctx, written, anyType)
}

// latencies waits until each of the changes, of services that are apart, has arrived at all callers of
// its service, and returns the median and the longest time of that.
func (c *scene) latencies(ctx context.Context, starts []time.Time, kind int) ([]float64, error) {
	var took []time.Duration
	for i, start := range starts {
		last, err := c.sidecars.await(ctx, c.callers(i*apart), kind)
		if err != nil {
			return nil, fmt.Errorf("change %d of %d: %w", i+1, len(starts), err)
		}
		took = append(took, last.Sub(start))
	}
	return []float64{milliseconds(median(took)), milliseconds(slices.Max(took))}, nil
}

// edges is the number of connected edges.
const edges = 2

func edgeRoute(ctx context.Context, c *scene) (figures []float64, err error) {
	e, err := startSidecars()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	if err := e.connect(group{Address: c.server.GRPC, Count: edges, Edge: true}); err != nil {
		return nil, err
	}
	if err := e.do(command{Forget: true}); err != nil {
		return nil, err
	}
	cpu, err := c.cpu(ctx, func() error {
		if _, err := c.edit(ctx, "edge.yaml", c.edge(c.routes+1)); err != nil {
			return err
		}
		_, err := e.await(ctx, nil, anyType)
		return err
	})
	if err != nil {
		return nil, err
	}
	progress, err := e.progress()
	if err != nil {
		return nil, err
	}
	var sent int64
	for _, p := range progress {
		for _, n := range p.Bytes {
			sent += n
		}
	}
	return []float64{float64(sent) / edges, milliseconds(cpu)}, nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
