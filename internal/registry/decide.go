package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Decision is how an operator ends a doubt.
type Decision string

// The two ways to end a doubt.
const (
	Expire Decision = "expire" // they are dead: remove them now
	Keep   Decision = "keep"   // they are alive: each gets a whole lease from now on
)

// decision asks Run to end doubts.
type decision struct {
	service mesh.ServiceName // "" for all
	way     Decision
	answer  chan decided // has room for the one answer
}

type decided struct {
	instances int
	err       error
}

// Decide ends the doubt about service, or every doubt if service is "", and returns the number of instances
// concerned: those that Doubts listed. The errors are [ErrNoDoubt], an unknown decision, [ErrStopped] and those of
// ctx.
func (r *Registry) Decide(ctx context.Context, service mesh.ServiceName, way Decision) (int, error) {
	if way != Expire && way != Keep {
		return 0, fmt.Errorf("decision %q: want %s or %s", way, Expire, Keep)
	}
	d := &decision{service, way, make(chan decided, 1)}
	select {
	case r.decisions <- d:
	case <-r.stopped:
		return 0, ErrStopped
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-d.answer: // Run answers whatever it has taken
		return a.instances, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// decide executes d.
func (r *Registry) decide(d *decision) decided {
	n, gone := r.applyDecision(d, time.Now())
	if n == 0 {
		return decided{err: ErrNoDoubt}
	}
	r.log.Info("expiry resumes: an operator decided", "service", scope{name: d.service}.label(), "decision", string(d.way), "instances", n)
	if len(gone) > 0 {
		r.expire(gone)
	}
	return decided{instances: n}
}

// applyDecision ends the pauses of d and renews the missing instances, or removes their leases and returns their
// keys. It returns their number.
func (r *Registry) applyDecision(d *decision, now time.Time) (n int, gone []Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases.updateMissing(now)
	for service, missing := range r.leases.missing {
		if d.service != "" && d.service != service || r.doubts.holds(service) == nil {
			continue
		}
		for l := range missing {
			n++
			if d.way == Keep {
				l.renew(now)
				r.sharing.heard(l)
			} else {
				gone = append(gone, l.instance.Key)
			}
		}
	}
	for _, key := range gone {
		r.leases.remove(key)
	}
	if d.service == "" {
		clear(r.doubts.pauses)
	}
	delete(r.doubts.pauses, d.service)
	r.leases.updateMissing(now) // those who were renewed are not missing any more
	return n, gone
}
