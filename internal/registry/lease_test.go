package registry

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestLeasesAgainstModel does random things to leases, and checks after each look at the
// clock that exactly those are missing who would lapse within a check-in interval.
func TestLeasesAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	now := time.Unix(1_000_000, 0)
	s, expires := newLeases(), make(map[Key]time.Time)
	for step := range 10_000 {
		i := number([]mesh.ServiceName{"a", "b", "c"}[random.IntN(3)], random.IntN(20), 1)
		i.Lease = []time.Duration{MinLease, DefaultLease, time.Hour}[random.IntN(3)]
		l := s.byKey[i.Key]
		switch what := random.IntN(100); {
		case what < 20:
			s.put(i, now)
			expires[i.Key] = now.Add(i.Lease)
		case what < 80 && l != nil:
			l.renew(now)
			if end := now.Add(l.instance.Lease); end.After(expires[i.Key]) {
				expires[i.Key] = end
			}
		case what < 85:
			s.remove(i.Key)
			delete(expires, i.Key)
		case what == 99:
			s.extend(time.Minute)
			for key := range expires {
				expires[key] = expires[key].Add(time.Minute)
			}
		}
		now = now.Add(time.Duration(random.Int64N(int64(20 * time.Second))))
		s.updateMissing(now)
		if !agrees(t, &s, expires, now) {
			t.Fatalf("after step %d", step)
		}
	}
}

func agrees(t *testing.T, s *leases, expires map[Key]time.Time, now time.Time) bool {
	t.Helper()
	missing := 0
	for key, l := range s.byKey {
		_, is := s.missing[key.Service][l]
		if should := !now.Before(expires[key].Add(-l.instance.Lease / 10)); is != should || is == slices.Contains(s.queue, l) {
			t.Errorf("%v: missing %t, want %t", key, is, should)
		}
		if is {
			missing++
		}
	}
	if len(s.byKey) != len(expires) || len(s.queue)+missing != len(expires) || s.absent != missing {
		t.Errorf("%d leases, %d in the queue, %d missing, counted as %d, want %d in all", len(s.byKey), len(s.queue), missing, s.absent, len(expires))
	}
	return !t.Failed()
}
