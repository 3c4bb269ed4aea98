package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// fakeRegistry remembers check-ins; it answers as told.
type fakeRegistry struct {
	started time.Time
	renew   time.Duration

	mu      sync.Mutex
	away    bool
	states  []registry.State
	times   []time.Duration // of each answered check-in, since started
	asked   int             // answered or not
	left    []time.Duration // the waits of goodbyes
	leaving chan struct{}   // when not nil, a goodbye with a wait lasts until this closes

	issued  int
	refusal error               // the next check-in's answer
	refuse  error               // the answer of each check-in
	said    []registry.Instance // in each answered check-in
	known   *api.Instance       // what the next check-in's answer shows
}

func (f *fakeRegistry) Issue(context.Context, registry.Key) (registry.Incarnation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return registry.Incarnation{}, errors.New("away")
	}
	f.issued++
	return registry.ParseIncarnation(fmt.Sprintf("%d-00000000", f.issued))
}

func (f *fakeRegistry) CheckIn(_ context.Context, i registry.Instance) (api.CheckedIn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.away {
		return api.CheckedIn{}, errors.New("away")
	}
	f.said = append(f.said, i)
	if f.refuse != nil {
		return api.CheckedIn{}, f.refuse
	}
	if err := f.refusal; err != nil {
		f.refusal = nil
		return api.CheckedIn{}, err
	}
	f.states, f.times = append(f.states, i.State), append(f.times, time.Since(f.started))
	answer := api.CheckedIn{RenewAfter: api.Duration(f.renew)}
	if f.known != nil {
		answer.Instance, f.known = *f.known, nil
	}
	return answer, nil
}

func (f *fakeRegistry) Renew(ctx context.Context, i registry.Instance) (api.Renewed, error) {
	answer, err := f.CheckIn(ctx, i)
	return api.Renewed{RenewAfter: answer.RenewAfter}, err
}

func (f *fakeRegistry) Leave(ctx context.Context, _ registry.Key, _ registry.Incarnation, wait time.Duration) (api.Left, error) {
	f.mu.Lock()
	f.left = append(f.left, wait)
	away := f.away
	f.mu.Unlock()
	if away {
		return api.Left{}, errors.New("away")
	}
	if wait > 0 && f.leaving != nil {
		select {
		case <-f.leaving:
		case <-ctx.Done():
			return api.Left{}, ctx.Err()
		}
	}
	return api.Left{Acknowledged: wait > 0}, nil
}

func (f *fakeRegistry) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *fakeRegistry) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func testLease(f *fakeRegistry) *Lease {
	key := registry.Key{Service: "users", Address: netip.MustParseAddrPort("10.0.0.7:9211")}
	return New(f, registry.Instance{Key: key, State: registry.Starting}, slog.New(slog.DiscardHandler))
}

// checkedIn is a lease that was checked in once, and is not running.
func checkedIn(f *fakeRegistry) *Lease {
	l := testLease(f)
	l.describe(context.Background())
	_, _ = l.checkIn(context.Background())
	return l
}

func state(s registry.State) func(*registry.Instance) {
	return func(i *registry.Instance) { i.State = s }
}

// TestLeaseSaysWhichDescriptionIsTheLatest: a renewal is the same, a change is later, also later than what
// somebody else said; and who is told that it has left comes back as somebody else.
func TestLeaseSaysWhichDescriptionIsTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{started: time.Now(), renew: time.Minute}
		l := testLease(f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = l.Run(ctx); close(done) }()

		time.Sleep(90 * time.Second) // two check-ins that are the same
		l.Update(state(registry.Healthy))
		synctest.Wait()
		f.mu.Lock()
		f.known = &api.Instance{Incarnation: l.said.Incarnation, Sequence: 7, State: registry.Draining}
		f.mu.Unlock()
		l.Update(state(registry.Starting))
		time.Sleep(5 * time.Second) // and once more, above 7
		f.mu.Lock()
		f.refusal = &httpapi.Refused{Status: http.StatusGone}
		f.mu.Unlock()
		l.Update(state(registry.Healthy))
		time.Sleep(5 * time.Second)
		cancel()
		<-done

		var got []string
		for _, i := range f.said {
			got = append(got, fmt.Sprintf("%v %d %s", i.Incarnation, i.Sequence, i.State))
		}
		want := []string{
			"1-00000000 1 starting", "1-00000000 1 starting", "1-00000000 2 healthy",
			"1-00000000 3 starting", "1-00000000 8 starting",
			"1-00000000 9 healthy", "2-00000000 9 healthy",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("check-ins (-want +got):\n%s", diff)
		}
	})
}

// TestLeaseThatNeverCheckedIn has nothing to leave, least of all somebody else's instance.
func TestLeaseThatNeverCheckedIn(t *testing.T) {
	f := &fakeRegistry{away: true}
	l := checkedIn(f)
	f.setAway(false)
	if l.Leave(t.Context(), 0, func() {}) || len(f.left) != 0 {
		t.Errorf("it said goodbye: %v", f.left)
	}
}

func TestLeaseChecksInWhenTheStateChangesAndWhenAskedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{started: time.Now(), renew: time.Minute}
		l := testLease(f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = l.Run(ctx); close(done) }()

		time.Sleep(10 * time.Second)
		l.Update(state(registry.Healthy))
		time.Sleep(90 * time.Second)
		cancel()
		<-done

		want := []time.Duration{0, 10 * time.Second, 70 * time.Second}
		if diff := cmp.Diff(want, f.times); diff != "" {
			t.Errorf("check-ins at (-want +got):\n%s", diff)
		}
		states := []registry.State{registry.Starting, registry.Healthy, registry.Healthy}
		if diff := cmp.Diff(states, f.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

func TestLeaseComesBackSoonAfterTheServerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{started: time.Now(), renew: time.Minute, away: true}
		l := testLease(f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = l.Run(ctx); close(done) }()

		time.Sleep(10 * time.Minute)
		if asked, most := f.attempts(), 10*60/int(lastRetry/time.Second)*2+20; asked > most {
			t.Errorf("asked %d times in 10 min, want at most %d", asked, most)
		}
		f.setAway(false)
		back := time.Since(f.started)
		time.Sleep(lastRetry)
		cancel()
		<-done
		if len(f.times) != 1 || f.times[0]-back > lastRetry {
			t.Errorf("checked in at %v, want once within %v of %v", f.times, lastRetry, back)
		}
	})
}

func TestLeaveSaysGoodbyeEvenInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{leaving: make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		checkedIn(f).Leave(ctx, time.Minute, func() {})
		if diff := cmp.Diff([]time.Duration{time.Minute, 0}, f.left); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}

// TestLeaveOutlastsARestart says goodbye to a server that is away for a moment, and to one that stays away.
func TestLeaveOutlastsARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRegistry{}
		l := checkedIn(f)
		f.setAway(true)
		back := time.AfterFunc(time.Second, func() { f.setAway(false) })
		defer back.Stop()
		log := &strings.Builder{}
		l.log = slog.New(slog.NewTextHandler(log, nil))
		l.Leave(t.Context(), time.Minute, func() {})
		if !strings.Contains(log.String(), "no proxy calls this instance any more") {
			t.Errorf("the goodbye did not get through: %s", log)
		}
		f.setAway(true)
		started := time.Now()
		l.Leave(t.Context(), time.Minute, func() {})
		if took := time.Since(started); took > 2*goodbyeTimeout || !strings.Contains(log.String(), "could not leave") {
			t.Errorf("it tried for %v: %s", took, log)
		}
	})
}

// TestRenewals: most calls renew without repeating the description. After a change, and where the server does not know the
// version, the agent checks in at once.
func TestRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &renewing{fakeRegistry: fakeRegistry{started: time.Now(), renew: time.Minute}}
		i := registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort("10.0.0.7:9211")}, Zone: "a"}.WithDefaults()
		l := New(f, i, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = l.Run(ctx) }()
		time.Sleep(29*time.Minute + time.Second)
		synctest.Wait()
		if f.checkIns != 3 || f.renewals != 27 {
			t.Errorf("%d check-ins and %d renewals in half an hour, want 3 and 27", f.checkIns, f.renewals)
		}
		l.SetState(registry.Draining, "it stops")
		synctest.Wait()
		if f.checkIns != 4 || f.last.State != registry.Draining || f.last.Sequence != 2 {
			t.Errorf("after a change: %d check-ins, the last of %+v", f.checkIns, f.last)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		f.mu.Lock()
		f.forgets = true
		f.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.checkIns != 5 {
			t.Errorf("%d check-ins after the server forgot the version, want one more", f.checkIns)
		}
	})
}

// renewing counts, and answers as a server does.
type renewing struct {
	fakeRegistry
	checkIns, renewals int
	last               registry.Instance
	forgets            bool // the next renewal is of a version that the server does not know
}

func (r *renewing) CheckIn(_ context.Context, i registry.Instance) (api.CheckedIn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkIns++
	r.last = i
	return api.CheckedIn{Instance: api.Instance{
		Service: i.Service, Address: i.Address, Zone: i.Zone, Weight: i.Weight, State: i.State, Reason: i.Reason, Lease: api.Duration(i.Lease), Incarnation: i.Incarnation, Sequence: i.Sequence,
	}, RenewAfter: api.Duration(r.renew)}, nil
}

func (r *renewing) Renew(_ context.Context, i registry.Instance) (api.Renewed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgets {
		r.forgets = false
		return api.Renewed{}, &httpapi.Refused{Status: http.StatusNotFound}
	}
	if i.Incarnation != r.last.Incarnation || i.Sequence != r.last.Sequence {
		return api.Renewed{}, &httpapi.Refused{Status: http.StatusConflict}
	}
	r.renewals++
	return api.Renewed{RenewAfter: api.Duration(r.renew)}, nil
}
