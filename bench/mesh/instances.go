package mesh

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
)

// checkIns is the number of check-ins that are measured one by one.
const checkIns = 50

func checkIn(ctx context.Context, c *scene) ([]float64, error) {
	if c.services > 1 {
		if err := c.proxies(); err != nil {
			return nil, err
		}
	}
	var all []time.Duration
	for i := range checkIns {
		cpu, err := c.changed(ctx, i*apart%c.services, 101+i)
		if err != nil {
			return nil, err
		}
		all = append(all, cpu)
	}
	return []float64{milliseconds(median(all))}, nil
}

// changed changes an instance's weight and returns the CPU time until all callers have acknowledged the change.
func (c *scene) changed(ctx context.Context, service, weight int) (time.Duration, error) {
	if c.sidecars == nil {
		return c.cpu(ctx, func() error { return c.checkIn(ctx, service, 0, weight) })
	}
	if err := c.sidecars.do(command{Forget: true}); err != nil {
		return 0, err
	}
	return c.cpu(ctx, func() error {
		if err := c.checkIn(ctx, service, 0, weight); err != nil {
			return err
		}
		_, err := c.sidecars.await(ctx, c.callers(service), fleet.AssignmentIndex)
		return err
	})
}

// How often weights change, and for how long.
const (
	weightRate = 200 // a second
	weightTime = 5 * time.Second
)

func weights(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	count := weightRate * int(weightTime/time.Second)
	// A busy machine may not reach the rate, so the result is the cost of one change times the rate.
	cpu, err := c.cpu(ctx, func() error {
		next := time.NewTicker(time.Second / weightRate)
		defer next.Stop()
		for i := range count {
			<-next.C
			if err := c.checkIn(ctx, i*7%c.services, i%instancesOfEach, 200+i%700); err != nil {
				return err
			}
		}
		return nil
	})
	return []float64{100 * cpu.Seconds() / float64(count) * weightRate}, err
}

// checkInsWhileCompiling edits a default, which all views depend on, every half second.
func checkInsWhileCompiling(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	if _, err := c.server.Settle(ctx); err != nil {
		return nil, err
	}
	if err := c.sidecars.do(command{Forget: true}); err != nil {
		return nil, err
	}
	starts := make([]time.Time, editCount)
	next := time.NewTicker(editInterval)
	defer next.Stop()
	for i := range starts {
		<-next.C
		if i%5 == 0 {
			if err := os.WriteFile(filepath.Join(c.config(), "mesh.yaml"), []byte(meshDocument(100+i)), 0o644); err != nil {
				return nil, err
			}
		}
		starts[i] = time.Now()
		if err := c.checkIn(ctx, i*apart, 1, 300+i); err != nil {
			return nil, err
		}
	}
	figures, err := c.latencies(ctx, starts, fleet.AssignmentIndex)
	if err != nil {
		return nil, err
	}
	return figures[1:], nil
}

// pages is how often a page is requested.
const pages = 20

// page measures the cost of one page of the HTTP API.
func page(path string) func(context.Context, *scene) ([]float64, error) {
	return func(ctx context.Context, c *scene) ([]float64, error) {
		if err := c.proxies(); err != nil {
			return nil, err
		}
		cpu, err := c.cpu(ctx, func() error {
			for range pages {
				if err := c.call(ctx, http.MethodGet, path, ""); err != nil {
					return err
				}
			}
			return nil
		})
		return []float64{milliseconds(cpu) / pages}, err
	}
}

// idleTime is how long the CPU time of an idle server is measured.
const idleTime = 30 * time.Second

func idle(ctx context.Context, c *scene) ([]float64, error) {
	before, err := c.server.Settle(ctx)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("idle server: %w", ctx.Err())
	case <-time.After(idleTime):
	}
	after, err := c.server.CPU()
	return []float64{100 * (after - before).Seconds() / time.Since(start).Seconds()}, err
}
