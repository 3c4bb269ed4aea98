package registry_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// started is instance number n of users with a new incarnation, as its agent first describes it.
func started(r *registry.Registry, n int) registry.Instance {
	i := instance("users", n)
	i.Incarnation, i.Sequence = r.Issue(), 1
	return i
}

func leave(t testing.TB, r *registry.Registry, i registry.Instance) error {
	t.Helper()
	return r.Leave(t.Context(), i.Key, i.Incarnation)
}

func TestIncarnationText(t *testing.T) {
	for _, text := range []string{"", "1-00000000", "7-9f86d081", "4611686018427387904-ffffffff"} {
		i, err := registry.ParseIncarnation(text)
		if err != nil || i.String() != text {
			t.Errorf("%q became %q, %v", text, i, err)
		}
	}
	for _, text := range []string{"7", "-", "7-", "-9f86d081", "0-9f86d081", "07-9f86d081", "7-9F86D081", "7-9f86d0811", "7-9f86d08", "-7-9f86d081", "4611686018427387905-00000000", "7-9f86d081 "} {
		if i, err := registry.ParseIncarnation(text); err == nil {
			t.Errorf("%q is taken as %q", text, i)
		}
	}
}

func TestIncarnationsAreIssuedAboveAllThatAreKnown(t *testing.T) {
	store := newMemory()
	stored := instance("users", 1)
	stored = stored.WithDefaults()
	stored.Incarnation, _ = registry.ParseIncarnation("41-ffffffff")
	store.has[stored.Key] = registry.Change{Key: stored.Key, Instance: &stored}
	r := run(t, registry.Options{Store: store})
	last := stored.Incarnation
	for range 3 {
		next := r.Issue()
		if next.Compare(last) <= 0 {
			t.Fatalf("%v is issued after %v", next, last)
		}
		last = next
	}
	// One that this server has not issued, as after the loss of its data.
	stranger := instance("users", 2)
	stranger.Incarnation, _ = registry.ParseIncarnation("1000-00000000")
	checkIn(t, r, stranger)
	if next := r.Issue(); next.Compare(stranger.Incarnation) <= 0 {
		t.Errorf("%v is issued although %v is known", next, stranger.Incarnation)
	}
}

// TestGoodbyeIsForGood lets check-ins arrive after the goodbye of their own incarnation, also before
// that incarnation was ever there.
func TestGoodbyeIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		first, second := started(r, 1), started(r, 2)
		checkIn(t, r, first)
		if err := leave(t, r, first); err != nil {
			t.Fatal(err)
		}
		if err := leave(t, r, second); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("leaving before the first check-in: %v, want ErrUnknown", err)
		}
		for _, i := range []registry.Instance{first, second} {
			i.Sequence++
			if _, err := r.CheckIn(t.Context(), i); !errors.Is(err, registry.ErrLeft) {
				t.Errorf("a check-in of %v after its goodbye: %v, want ErrLeft", i.Key, err)
			}
		}
		if n := r.Snapshot().Size(); n != 0 {
			t.Errorf("%d instances are back", n)
		}
		checkIn(t, r, started(r, 1)) // the next start
	})
}

// TestGoodbyeOfAnEarlierStart comes late: the next start is there already, and stays.
func TestGoodbyeOfAnEarlierStart(t *testing.T) {
	r := run(t, registry.Options{})
	first, second := started(r, 1), started(r, 1)
	checkIn(t, r, first)
	checkIn(t, r, second)
	if err := leave(t, r, first); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	if got := r.Snapshot().Instance(second.Key); got == nil || got.Incarnation != second.Incarnation {
		t.Errorf("the registry has %+v, want the later start", got)
	}
}

func TestLaterDescriptionCounts(t *testing.T) {
	r := run(t, registry.Options{})
	later, earlier := started(r, 1), started(r, 1)
	earlier.Incarnation = later.Incarnation
	later.State, later.Sequence = registry.Draining, 3
	earlier.State, earlier.Sequence = registry.Starting, 2
	checkIn(t, r, later)
	if g := checkIn(t, r, earlier); g.State != registry.Draining || g.Sequence != 3 {
		t.Errorf("the answer to an overtaken check-in is %+v, want what is known", g.Instance)
	}
	if got := r.Snapshot().Instance(later.Key); got.State != registry.Draining {
		t.Errorf("a delayed check-in made the instance %s again", got.State)
	}
}

// TestClientsWithoutIncarnations speak for whatever incarnation is there.
func TestClientsWithoutIncarnations(t *testing.T) {
	r := run(t, registry.Options{})
	i := started(r, 1)
	checkIn(t, r, i)
	byHand := instance("users", 1)
	byHand.State = registry.Draining
	if g := checkIn(t, r, byHand); g.State != registry.Draining || g.Incarnation != i.Incarnation || g.Sequence != 2 {
		t.Errorf("changed by hand: %+v", g.Instance)
	}
	renewed := r.Snapshot().Sequence()
	checkIn(t, r, byHand)
	if r.Snapshot().Sequence() != renewed {
		t.Error("a renewal by hand made a snapshot")
	}
	if err := r.Leave(t.Context(), i.Key, registry.Incarnation{}); err != nil {
		t.Fatal(err)
	}
	if g := checkIn(t, r, byHand); g.Incarnation.Compare(i.Incarnation) <= 0 {
		t.Errorf("back by hand with incarnation %v, want one after %v", g.Incarnation, i.Incarnation)
	}
}

// TestDepartedAreForgotten after an hour: what is remembered is bounded.
func TestDepartedAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		i := started(r, 1)
		_ = leave(t, r, i)
		time.Sleep(time.Hour)
		_ = leave(t, r, started(r, 2))
		checkIn(t, r, i)
	})
}

// TestAddressBelongsToOneInstance checks in at addresses that others have: main and further ones, of
// other services and of the same.
func TestAddressBelongsToOneInstance(t *testing.T) {
	at := func(i registry.Instance, service mesh.ServiceName, further int) registry.Instance {
		i.Service = service
		if further != 0 {
			i.Ports = map[mesh.PortName]int{"admin": further}
		}
		return i
	}
	for name, test := range map[string]struct{ first, second registry.Instance }{
		"main":             {at(instance("users", 1), "users", 0), at(instance("users", 1), "other", 0)},
		"further at main":  {at(instance("users", 1), "users", 9999), at(instance("users", 1), "other", 9998)},
		"main at further":  {at(instance("users", 1), "users", 9300), at(withPort(instance("users", 1), 9300), "other", 0)},
		"further at other": {at(instance("users", 1), "users", 9300), at(withPort(instance("users", 1), 9400), "other", 9300)},
	} {
		t.Run(name, func(t *testing.T) {
			store := newMemory()
			r := run(t, registry.Options{Store: store})
			first, second := test.first, test.second
			first.Incarnation, second.Incarnation = r.Issue(), r.Issue()
			checkIn(t, r, first)
			g := checkIn(t, r, second)
			if len(g.Displaced) != 1 || g.Displaced[0] != (registry.Claim{Key: first.Key, Incarnation: first.Incarnation}) {
				t.Errorf("displaced are %v, want the first", g.Displaced)
			}
			if r.Snapshot().Size() != 1 || r.Snapshot().Instance(second.Key) == nil || store.size() != 1 {
				t.Errorf("%d instances, %d stored, want the second alone", r.Snapshot().Size(), store.size())
			}
			// Both live: the first is told, and so is the second, at its next renewal.
			var taken *registry.Taken
			if _, err := r.CheckIn(t.Context(), first); !errors.As(err, &taken) || taken.By.Key != second.Key {
				t.Errorf("the first goes on: %v, want to be told of the second", err)
			}
			if g := checkIn(t, r, second); g.Rival == nil || g.Rival.Key != first.Key {
				t.Errorf("the second is told of %v, want of the first", g.Rival)
			}
			if err := leave(t, r, first); !errors.Is(err, registry.ErrUnknown) {
				t.Errorf("the first leaves: %v", err)
			}
			if r.Snapshot().Instance(second.Key) == nil {
				t.Error("the end of the first removed the second")
			}
			if err := leave(t, r, second); err != nil {
				t.Errorf("the second leaves: %v", err)
			}
			first.Incarnation = r.Issue()
			checkIn(t, r, first)
		})
	}
}

func withPort(i registry.Instance, port uint16) registry.Instance {
	i.Address = netip.AddrPortFrom(i.Address.Addr(), port)
	return i
}

// TestStoredInstancesShareNoAddress: a release without this rule may have stored two.
func TestStoredInstancesShareNoAddress(t *testing.T) {
	store := newMemory()
	for n, service := range []mesh.ServiceName{"users", "other"} {
		i := instance("users", 1)
		i.Service = service
		i = i.WithDefaults()
		if n == 0 {
			i.Incarnation, _ = registry.ParseIncarnation("1-00000000")
		}
		store.has[i.Key] = registry.Change{Key: i.Key, Instance: &i}
	}
	r := run(t, registry.Options{Store: store})
	if r.Snapshot().Size() != 1 || r.Snapshot().Instance(instance("users", 1).Key) == nil {
		t.Errorf("%d instances, want the later start alone", r.Snapshot().Size())
	}
}
