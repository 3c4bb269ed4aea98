package lease

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// takenRegistry takes check-ins until another instance has the address. Then it refuses them, and does not know the
// instance.
type takenRegistry struct{ fakeRegistry }

func (r *takenRegistry) setTaken(taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = nil
	if taken {
		r.refuse = &httpapi.Refused{Status: http.StatusConflict, Answer: httpapi.Error{Error: "10.0.0.7:9211 belongs to other"}}
	}
}

func (r *takenRegistry) WatchInstance(ctx context.Context, _ registry.Key, _ string, _ time.Duration) (api.Shown, bool, error) {
	r.mu.Lock()
	taken := r.refuse != nil
	r.mu.Unlock()
	if taken {
		return api.Shown{}, false, &httpapi.Refused{Status: http.StatusNotFound}
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return api.Shown{}, false, ctx.Err()
}

// TestLeaseWhoseAddressIsTaken loses its address to another instance for an hour: it checks in less and less often, says
// so once, and is back soon after the other one has left.
func TestLeaseWhoseAddressIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &takenRegistry{fakeRegistry{started: time.Now(), renew: time.Minute}}
		log := &strings.Builder{}
		l := testLease(&r.fakeRegistry)
		l.log = slog.New(slog.NewTextHandler(log, nil))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = l.Run(ctx) })
		running.Go(func() { _ = NewWatch(r, l, func() {}).Run(ctx) })
		time.Sleep(5 * time.Minute)

		r.setTaken(true)
		before := r.attempts()
		time.Sleep(time.Hour)
		if asked := r.attempts() - before; asked > 300 {
			t.Errorf("it asked %d times in an hour", asked)
		}
		r.setTaken(false)
		r.mu.Lock()
		answered := len(r.times)
		r.mu.Unlock()
		time.Sleep(lastRefusedRetry)
		cancel()
		running.Wait()
		if len(r.times) == answered {
			t.Errorf("it did not check in within %v", lastRefusedRetry)
		}
		if times := strings.Count(log.String(), "refuses the check-in"); times != 1 {
			t.Errorf("the refusal is logged %d times:\n%s", times, log)
		}
	})
}

// TestLeaseIssuedTooLow gets its incarnation from a server that had not heard of an earlier start, and checks in with
// one that has: it asks for another incarnation, and does not wait until the lease of the earlier start ends.
func TestLeaseIssuedTooLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRegistry{started: time.Now(), renew: time.Minute}
		r.refusal = &httpapi.Refused{Status: http.StatusConflict, Answer: httpapi.Error{Error: "10.0.0.7:9211 belongs to a later start"}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_ = testLease(r).Run(ctx)
		if len(r.times) != 1 || r.issued != 2 || r.said[0].Incarnation == r.said[1].Incarnation {
			t.Errorf("%d check-ins were taken, %d incarnations issued: %v", len(r.times), r.issued, r.said)
		}
	})
}
