package mesh

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/bench/serve"
)

func connect(ctx context.Context, c *scene) ([]float64, error) {
	if c.sidecars != nil {
		return nil, errors.New("sidecars are connected already")
	}
	cpu, err := c.cpu(ctx, func() error { return c.proxies() })
	return []float64{milliseconds(cpu) / float64(c.services)}, err
}

// connectMore connects as many proxies once more.
func connectMore(ctx context.Context, c *scene) (figures []float64, err error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	more, err := startSidecars()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, more.stop()) }()
	before, err := c.memory(ctx)
	if err != nil {
		return nil, err
	}
	cpu, err := c.cpu(ctx, func() error {
		return more.connect(group{Address: c.server.GRPC, Count: c.services, Services: c.services, Instance: 1})
	})
	if err != nil {
		return nil, err
	}
	after, err := c.memory(ctx)
	count := float64(c.services)
	return []float64{milliseconds(cpu) / count, float64(after-before) / 1024 / count}, err
}

// memory returns the resident memory of the server when it is idle.
func (c *scene) memory(ctx context.Context) (int64, error) {
	if _, err := c.server.Settle(ctx); err != nil {
		return 0, err
	}
	return serve.RSS(c.server.PID())
}

// restart restarts the server and reconnects all proxies at once. Each says which versions it has.
func restart(ctx context.Context, c *scene) ([]float64, error) {
	if err := c.proxies(); err != nil {
		return nil, err
	}
	if err := errors.Join(c.sidecars.do(command{Close: true}), c.server.Stop()); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	profiled := c.profile(ctx, "restarted")
	if err := c.sidecars.do(command{Reconnect: c.server.GRPC}); err != nil {
		return nil, err
	}
	cpu, err := c.server.Settle(ctx)
	return []float64{milliseconds(cpu) / float64(c.services)}, errors.Join(err, profiled())
}

// manySidecars is the number of sidecars of each service.
const manySidecars = 10

func connectMany(ctx context.Context, c *scene) ([]float64, error) {
	var err error
	if c.sidecars, err = startSidecars(); err != nil {
		return nil, err
	}
	if err := c.sidecars.connect(group{Address: c.server.GRPC, Count: manySidecars * c.services, Services: c.services}); err != nil {
		return nil, err
	}
	said, err := c.sidecars.exchange(command{})
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, p := range said.Progress {
		took = append(took, time.Unix(0, p.Synced).Sub(said.Began))
	}
	rss, err := c.memory(ctx)
	return []float64{milliseconds(slices.Min(took)), milliseconds(slices.Max(took)), float64(rss) / (1 << 20)}, err
}

// validate measures the wall time of doyen validate, including the start of the process. The quickest of several runs
// counts.
func validate(ctx context.Context, c *scene) ([]float64, error) {
	var took []time.Duration
	for range rounds {
		start := time.Now()
		if err := exec.CommandContext(ctx, c.Doyen, "validate", c.config()).Run(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return []float64{milliseconds(slices.Min(took))}, nil
}
