package registry_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// described is what a snapshot says, in a form to compare.
func described(r *registry.Registry) map[string]string {
	all := map[string]string{}
	snapshot := r.Snapshot()
	for _, service := range snapshot.Services() {
		for _, i := range snapshot.Instances(service) {
			all[i.Key.String()] = fmt.Sprint(i.Incarnation, i.Sequence, i.Revival, i.Weight, i.Ports, i.Order)
		}
	}
	for _, o := range r.Orders() {
		all["order about "+o.Key.String()] = fmt.Sprint(o.Order)
	}
	return all
}

// TestServersConverge lets agents talk to servers at random while messages between the servers are lost,
// repeated and late. After each server has compared all that it knows with the others, all have the same.
func TestServersConverge(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { converge(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func converge(t *testing.T, random *rand.Rand) {
	all := shared(t, 3)
	any := func() *registry.Registry { return all[random.IntN(len(all))] }
	agents := map[int]registry.Instance{} // those that run, by a number of their own
	late := [][]registry.Record{}         // messages that arrive when they like
	for step := range 200 {
		switch n := random.IntN(6); random.IntN(9) {
		case 0: // an agent starts, maybe where another one is
			i := registry.Instance{
				Key:      registry.Key{Service: []mesh.ServiceName{"users", "orders"}[random.IntN(2)], Network: []mesh.NetworkName{"", "", "east"}[random.IntN(3)], Address: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(1+random.IntN(4)))},
				Ports:    map[mesh.PortName]int{"admin": 1 + random.IntN(6)},
				Sequence: 1,
			}
			i.Incarnation = any().Issue()
			agents[step] = i
			_, _ = any().CheckIn(t.Context(), i)
		case 1, 2: // agents check in again, described as before or not
			for number, i := range agents {
				if random.IntN(3) == 0 {
					i.Weight, i.Sequence = 1+random.Uint32N(9), i.Sequence+1
					agents[number] = i
				}
				_, _ = any().CheckIn(t.Context(), i)
			}
		case 3: // one leaves
			for number, i := range agents {
				delete(agents, number)
				_ = any().Leave(t.Context(), i.Key, i.Incarnation)
				break
			}
		case 4: // somebody who knows of no incarnations
			i := instance("users", n)
			i.Weight = 1 + random.Uint32N(3)
			if random.IntN(3) == 0 {
				_ = any().Leave(t.Context(), i.Key, registry.Incarnation{})
			} else {
				_, _ = any().CheckIn(t.Context(), i)
			}
		case 5:
			time.Sleep(time.Duration(random.IntN(7)) * time.Minute)
		case 6:
			late = append(late, taken(any()))
		case 7:
			for range min(2, len(late)) {
				merge(t, any(), late[random.IntN(len(late))]...)
			}
		case 8: // an operator orders, or takes back
			for _, i := range agents {
				_ = any().Maintain(t.Context(), i.Key, random.IntN(2) == 0, fmt.Sprint(step))
				break
			}
		}
	}
	compare(t, all)
	for n, r := range all[1:] {
		if diff := cmp.Diff(described(all[0]), described(r)); diff != "" {
			t.Errorf("server 0 and server %d (-0 +%d):\n%s", n+1, n+1, diff)
		}
	}
	owners := map[registry.Socket]registry.Key{}
	snapshot := all[0].Snapshot()
	for _, service := range snapshot.Services() {
		for _, i := range snapshot.Instances(service) {
			for _, port := range append([]int{int(i.Address.Port())}, i.Ports["admin"]) {
				address := registry.Socket{Network: i.Network, AddrPort: netip.AddrPortFrom(i.Address.Addr(), uint16(port))}
				if other, twice := owners[address]; port > 0 && twice && other != i.Key {
					t.Errorf("%v belongs to %v and %v", address, other, i.Key)
				}
				owners[address] = i.Key
			}
		}
	}
}

// compare lets registries tell each other all that they know, as often as it takes.
func compare(t *testing.T, all []*registry.Registry) {
	t.Helper()
	for range 3 {
		for _, from := range all {
			records := from.Records(0, 1)
			for _, to := range all {
				merge(t, to, records...)
			}
		}
		exchange(t, all...)
	}
}
