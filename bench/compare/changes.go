package compare

import (
	"context"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
)

// singles makes changes one by one, each after the one before has been acknowledged by all.
func (r *run) singles(ctx context.Context) error {
	if r.Singles == 0 {
		return nil
	}
	var cpu []time.Duration
	var blocked []time.Duration
	var p50, p99 []int64
	bytes := r.fleet.Bytes()
	for range r.Singles {
		changes, used, err := r.single(ctx)
		if err != nil {
			return err
		}
		latencies := r.fleet.Latencies(changes.Last-1, changes.Starts)
		p50 = append(p50, fleet.Quantile(latencies, 0.5))
		p99 = append(p99, fleet.Quantile(latencies, 0.99))
		cpu, blocked = append(cpu, used), append(blocked, changes.Blocked...)
	}
	r.result.Change = Change{
		Count:      r.Singles,
		CPU:        mean(cpu),
		P50:        time.Duration(median(p50)),
		P99:        time.Duration(median(p99)),
		Blocked:    median(blocked),
		BlockedMax: slices.Max(blocked),
		Bytes:      (r.fleet.Bytes() - bytes) / int64(r.Singles),
	}
	return nil
}

// single makes one change and returns the processor time from the writer's call until the server
// is at rest again, with all acknowledgements in.
func (r *run) single(ctx context.Context) (serve.Changes, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var none serve.Changes
	if err := r.server.Prepare(); err != nil {
		return none, 0, err
	}
	before, err := r.server.Settle(ctx)
	if err != nil {
		return none, 0, err
	}
	r.fleet.Forget()
	changes, err := r.server.Publish()
	if err != nil {
		return none, 0, err
	}
	from := r.sequence
	r.sequence = changes.Last
	if err := r.fleet.WaitCovered(ctx, from, changes.Last); err != nil {
		return none, 0, err
	}
	after, err := r.server.Settle(ctx)
	return changes, after - before, err
}

// rate asks for 100 changes a second and waits until every client has them.
func (r *run) rate(ctx context.Context) error {
	if r.Rate == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.Rate+patience)
	defer cancel()
	before, err := r.server.Settle(ctx)
	if err != nil {
		return err
	}
	r.fleet.Forget()
	from, start := r.sequence, time.Now()
	changes, err := r.server.Rate(changeInterval, r.Rate)
	if err != nil {
		return err
	}
	writing := time.Since(start)
	r.sequence = changes.Last
	if err := r.fleet.WaitCovered(ctx, from, changes.Last); err != nil {
		return err
	}
	all := time.Since(start)
	after, err := r.server.Settle(ctx)
	if err != nil {
		return err
	}
	latencies := r.fleet.Latencies(from, changes.Starts)
	r.result.Rate = Rate{
		Asked:     int(r.Rate / changeInterval),
		Made:      len(changes.Starts),
		PerSecond: float64(len(changes.Starts)) / writing.Seconds(),
		P50:       time.Duration(fleet.Quantile(latencies, 0.5)),
		P99:       time.Duration(fleet.Quantile(latencies, 0.99)),
		Cores:     (after - before).Seconds() / all.Seconds(),
	}
	return nil
}

func median[T int64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func mean(values []time.Duration) time.Duration {
	var sum time.Duration
	for _, v := range values {
		sum += v
	}
	return sum / time.Duration(len(values))
}
