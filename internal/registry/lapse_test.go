package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// fleet is instances of several services, of which some have died.
type fleet struct {
	t     *testing.T
	r     *registry.Registry
	alive []registry.Instance
}

// start checks in size instances of each service.
func start(t *testing.T, options registry.Options, sizes map[mesh.ServiceName]int) *fleet {
	t.Helper()
	f := &fleet{t: t, r: run(t, options)}
	for service, size := range sizes {
		for n := range size {
			f.alive = append(f.alive, instance(service, n))
			checkIn(t, f.r, instance(service, n))
		}
	}
	return f
}

// kill stops the check-ins of the first n instances of a service.
func (f *fleet) kill(service mesh.ServiceName, n int) {
	var rest []registry.Instance
	for _, i := range f.alive {
		if i.Service == service && n > 0 {
			n--
			continue
		}
		rest = append(rest, i)
	}
	f.alive = rest
}

// revive lets instance number n of a service check in again.
func (f *fleet) revive(service mesh.ServiceName, n int) {
	f.alive = append(f.alive, instance(service, n))
	checkIn(f.t, f.r, instance(service, n))
}

// live lets d pass, in which whoever is alive checks in each minute.
func (f *fleet) live(d time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Minute, time.Until(end)))
		for _, i := range f.alive {
			checkIn(f.t, f.r, i)
		}
	}
	synctest.Wait()
}

func (f *fleet) wantSize(service mesh.ServiceName, want int) {
	f.t.Helper()
	if got := len(f.r.Snapshot().Instances(service)); got != want {
		f.t.Errorf("%s has %d instances, want %d", service, got, want)
	}
}

func TestLeaseLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, map[mesh.ServiceName]int{"users": 10})
		f.kill("users", 1)
		f.live(10*time.Minute - time.Second)
		f.wantSize("users", 10)
		f.live(3 * time.Second)
		f.wantSize("users", 9)
		if _, ok := f.r.Lease(instance("users", 0).Key); ok {
			t.Error("the instance is gone and its lease is not")
		}
		if !checkIn(t, f.r, instance("users", 0)).Created {
			t.Error("an instance that comes back does not count as created")
		}
	})
}

func TestShortLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		lapses := func() {
			t.Helper()
			time.Sleep(12 * time.Second)
			if n := r.Snapshot().Size(); n != 0 {
				t.Errorf("%d instances are there after the lease", n)
			}
		}
		short := instance("users", 1)
		time.Sleep(time.Minute) // the registry has nothing to look at and sleeps
		checkIn(t, r, short)
		short.Lease = 10 * time.Second
		checkIn(t, r, short)
		lapses()
		for range 100 {
			checkIn(t, r, short)
			time.Sleep(9 * time.Second)
			if r.Snapshot().Size() == 0 {
				t.Fatal("the lease lapsed though it was renewed in time")
			}
		}
		lapses()
	})
}

// TestMassLapse lets instances die at one time and looks 15 minutes later.
func TestMassLapse(t *testing.T) {
	for _, test := range []struct {
		sizes, dead map[mesh.ServiceName]int
		doubted     []string
	}{
		{sizes("users", 10), sizes("users", 2), nil},
		{sizes("users", 10), sizes("users", 3), []string{"users 3 of 10"}},
		{sizes("users", 20), sizes("users", 4), nil},
		{sizes("users", 20), sizes("users", 5), []string{"users 5 of 20"}},
		{sizes("users", 4), sizes("users", 2), nil},
		{sizes("users", 3), sizes("users", 3), []string{"users 3 of 3"}},
		{sizes("users", 2, "orders", 20), sizes("users", 2), nil},
		{sizes("users", 3, "orders", 40), sizes("users", 3, "orders", 1), []string{"users 3 of 3"}},
		{sizes("a", 2, "b", 2, "c", 2, "d", 4), sizes("a", 1, "b", 1), nil},
		{sizes("a", 2, "b", 2, "c", 2, "d", 4), sizes("a", 1, "b", 1, "c", 1), []string{"a 1 of 2 mesh", "b 1 of 2 mesh", "c 1 of 2 mesh"}},
	} {
		t.Run(fmt.Sprint(test.dead, " of ", test.sizes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, registry.Options{}, test.sizes)
				for service, n := range test.dead {
					f.kill(service, n)
				}
				f.live(15 * time.Minute)
				held := make(map[mesh.ServiceName]int)
				var got []string
				for _, d := range f.r.Doubts() {
					held[d.Service] = len(d.Instances)
					line := fmt.Sprintf("%s %d of %d", d.Service, len(d.Instances), d.Of)
					if d.Mesh {
						line += " mesh"
					}
					got = append(got, line)
				}
				if fmt.Sprint(got) != fmt.Sprint(test.doubted) {
					t.Errorf("doubted: %q, want %q", got, test.doubted)
				}
				for service, size := range test.sizes {
					f.wantSize(service, size-test.dead[service]+held[service])
				}
			})
		})
	}
}

func sizes(pairs ...any) map[mesh.ServiceName]int {
	m := make(map[mesh.ServiceName]int)
	for i := 0; i < len(pairs); i += 2 {
		m[mesh.ServiceName(pairs[i].(string))] = pairs[i+1].(int)
	}
	return m
}

// TestDoubtEndsAtItsBound: they were dead after all.
func TestDoubtEndsAtItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, sizes("users", 10))
		f.kill("users", 6)
		f.live(10 * time.Minute)
		doubt := f.r.Doubts()[0]
		if got := doubt.Until.Sub(doubt.Since); got != 30*time.Minute {
			t.Errorf("the bound is %v, want 30m", got)
		}
		f.live(time.Until(doubt.Until) - 2*time.Second)
		f.wantSize("users", 10)
		f.live(4 * time.Second)
		f.wantSize("users", 4)
		if d := f.r.Doubts(); len(d) != 0 {
			t.Errorf("still in doubt: %v", d)
		}
		f.live(time.Hour)
		f.wantSize("users", 4)
	})
}

// TestNobodyIsHeldLongerThanTheBound: a pause in the service begins during one in the mesh.
func TestNobodyIsHeldLongerThanTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, sizes("a", 10, "b", 3))
		f.kill("b", 3)
		f.kill("a", 1)
		f.live(25 * time.Minute)
		f.wantSize("a", 10) // four of thirteen: the mesh is in doubt
		f.kill("a", 5)
		f.live(20 * time.Minute)
		if _, ok := f.r.Lease(instance("a", 0).Key); ok {
			t.Error("the first to die is still there 45 minutes later, because others died")
		}
		f.wantSize("b", 0)
	})
}

// TestDoubtEndsWhenInstancesAreBack: the registry had lost sight of them.
func TestDoubtEndsWhenInstancesAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, sizes("users", 10))
		before := f.r.Snapshot()
		f.kill("users", 10)
		f.live(20 * time.Minute)
		for n := range 10 {
			f.revive("users", n)
		}
		if d := f.r.Doubts(); len(d) != 0 {
			t.Errorf("in doubt though all are back: %v", d)
		}
		f.live(time.Hour)
		if f.r.Snapshot() != before {
			t.Error("readers saw a change though no instance was ever gone")
		}
	})
}

// TestTheRestOfADoubtLapses: most are back, and those who are not get one more interval.
func TestTheRestOfADoubtLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, sizes("users", 10))
		f.kill("users", 5)
		f.live(12 * time.Minute)
		for n := range 4 {
			f.revive("users", n)
		}
		f.live(50 * time.Second)
		f.wantSize("users", 10)
		f.live(15 * time.Second)
		f.wantSize("users", 9)
	})
}

// TestSlowDeathIsCounted: one instance each 19 seconds is four in an interval.
func TestSlowDeathIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		for n := range 10 {
			checkIn(t, r, instance("users", n))
			time.Sleep(19 * time.Second) // the leases end one after the other
		}
		time.Sleep(10 * time.Minute)
		if n := r.Snapshot().Size(); n != 10 {
			t.Errorf("%d of 10 instances are left: some were believed dead before the others were missed", n)
		}
	})
}

func TestOperatorDecides(t *testing.T) {
	for _, test := range []struct {
		service mesh.ServiceName
		way     registry.Decision
		users   int
		orders  int
	}{
		{"users", registry.Expire, 0, 5},
		{"users", registry.Keep, 5, 5},
		{"", registry.Expire, 0, 0},
		{"", registry.Keep, 5, 5},
	} {
		t.Run(fmt.Sprintf("%s %q", test.way, test.service), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, registry.Options{}, sizes("users", 5, "orders", 5))
				f.kill("users", 5)
				f.kill("orders", 5)
				f.live(11 * time.Minute)
				want := 5
				if test.service == "" {
					want = 10
				}
				if n, err := f.r.Decide(t.Context(), test.service, test.way); n != want || err != nil {
					t.Fatalf("decided about %d, %v, want %d", n, err, want)
				}
				f.wantSize("users", test.users)
				f.wantSize("orders", test.orders)
				for _, d := range f.r.Doubts() {
					if test.service == "" || d.Service == test.service {
						t.Errorf("%s is still in doubt", d.Service)
					}
				}
				f.live(8 * time.Minute) // who is kept has a whole lease
				f.wantSize("users", test.users)
			})
		})
	}
}

func TestNothingToDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, registry.Options{}, sizes("users", 5))
		for _, service := range []mesh.ServiceName{"", "users", "nobody"} {
			if _, err := f.r.Decide(t.Context(), service, registry.Expire); !errors.Is(err, registry.ErrNoDoubt) {
				t.Errorf("%q: %v, want ErrNoDoubt", service, err)
			}
		}
		if _, err := f.r.Decide(t.Context(), "users", "maybe"); err == nil {
			t.Error("an unknown decision is taken")
		}
		f.wantSize("users", 5)
	})
}

// TestPausesAreLogged: a person learns of each pause, once, and of its end.
func TestPausesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := start(t, registry.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, sizes("users", 10, "orders", 90))
		f.kill("users", 5)
		f.live(time.Hour)
		for text, want := range map[string]int{"expiry pauses": 1, "service=users missing=5 of=10": 2, "paused for as long as it may": 1, "enough instances": 0} {
			if got := strings.Count(log.String(), text); got != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", text, got, want, &log)
			}
		}
	})
}
