package registry

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

func number(service mesh.ServiceName, n int, weight uint32) *Instance {
	i := Instance{Key: Key{Service: service, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)}, Weight: weight}.WithDefaults()
	return &i
}

// TestSnapshotAgainstModel makes random changes in a snapshot and in a plain map.
func TestSnapshotAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	model := make(map[Key]*Instance)
	s := newSnapshot()
	for range 500 {
		before, old := maps.Clone(model), s
		var changes []Change
		for key, i := range randomChanges(random) {
			changes = append(changes, Change{Key: key, Instance: i})
			if i == nil {
				delete(model, key)
			} else {
				model[key] = i
			}
		}
		s = s.with(changes)
		compare(t, s, model)
		compare(t, old, before)
		compareSince(t, old, s, before, model)
		if t.Failed() {
			t.Fatalf("after %v", changes)
		}
	}
}

func randomChanges(random *rand.Rand) map[Key]*Instance {
	changes := make(map[Key]*Instance)
	for range 1 + random.IntN(4) {
		i := number(mesh.ServiceName(fmt.Sprintf("s%d", random.IntN(300))), random.IntN(4), 1+random.Uint32N(5))
		changes[i.Key] = i
		if random.IntN(2) == 0 {
			changes[i.Key] = nil
		}
	}
	return changes
}

func compare(t *testing.T, s *Snapshot, model map[Key]*Instance) {
	t.Helper()
	services := 0
	for service, instances := range s.ByService() {
		if services++; len(instances) == 0 || !slices.Equal(instances, s.Instances(service)) {
			t.Errorf("%s: ByService yields %d instances, Instances has %d", service, len(instances), len(s.Instances(service)))
		}
	}
	if services != len(s.Services()) {
		t.Errorf("ByService yields %d services of %d", services, len(s.Services()))
	}
	byName := make(map[mesh.ServiceName][]*Instance)
	for _, i := range model {
		byName[i.Service] = append(byName[i.Service], i)
	}
	if want := slices.Sorted(maps.Keys(byName)); !slices.Equal(s.Services(), want) {
		t.Errorf("services %v, want %v", s.Services(), want)
	}
	for name, want := range byName {
		slices.SortFunc(want, func(a, b *Instance) int { return a.Address.Compare(b.Address) })
		if got := s.Instances(name); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if s.Version(name) == 0 || s.Instance(want[0].Key) != want[0] {
			t.Errorf("%s: version %d, first %v", name, s.Version(name), s.Instance(want[0].Key))
		}
	}
	if s.Size() != len(model) || s.Version("none") != 0 || s.Instances("none") != nil {
		t.Errorf("size %d, want %d", s.Size(), len(model))
	}
}

// compareSince checks Since and Version: both say which services changed. A service that
// was touched but is the same, because an instance was replaced by itself, may be named.
func compareSince(t *testing.T, old, s *Snapshot, before, after map[Key]*Instance) {
	t.Helper()
	changed := make(map[mesh.ServiceName]bool)
	for key := range before {
		changed[key.Service] = changed[key.Service] || after[key] != before[key]
	}
	for key := range after {
		changed[key.Service] = changed[key.Service] || after[key] != before[key]
	}
	said := make(map[mesh.ServiceName]bool)
	for service := range s.Since(old) {
		said[service] = true
	}
	for service, is := range changed {
		if is != said[service] && is || is != (old.Version(service) != s.Version(service)) && is {
			t.Errorf("%s changed %t, Since says %t, versions %d and %d", service, is, said[service], old.Version(service), s.Version(service))
		}
		if said[service] != (old.Version(service) != s.Version(service)) {
			t.Errorf("%s: Since and Version do not agree", service)
		}
	}
}

// TestSnapshotSharesWhatStays: the cost of a change is that of its own service.
func TestSnapshotSharesWhatStays(t *testing.T) {
	var changes []Change
	for n := range 10_000 {
		i := number(mesh.ServiceName(fmt.Sprintf("s%d", n)), 1, 1)
		changes = append(changes, Change{Key: i.Key, Instance: i})
	}
	s := newSnapshot().with(changes)
	change := []Change{{Key: number("s77", 1, 2).Key, Instance: number("s77", 1, 2)}}
	const times = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		s.with(change)
	}
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) / times
	if allocated > 8<<10 {
		t.Errorf("a change of one of 10,000 services copies %d bytes", allocated)
	}
	fresh := s.with(change)
	if got := slices.Collect(fresh.Since(s)); !slices.Equal(got, []mesh.ServiceName{"s77"}) {
		t.Errorf("since: %v", got)
	}
	if &fresh.Services()[0] != &s.Services()[0] {
		t.Error("the names were sorted anew though none came or went")
	}
}
