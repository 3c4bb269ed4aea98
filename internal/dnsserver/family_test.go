package dnsserver

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestFamilies: a question for one kind of address looks at the instances that have it only, and unhealthy ones are named
// only while no instance with the other kind is healthy.
func TestFamilies(t *testing.T) {
	at := func(address string, state registry.State) *registry.Instance {
		return &registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)}, State: state}
	}
	v4, v6 := at("10.0.0.7:80", registry.Healthy), at("[2001:db8::7]:80", registry.Healthy)
	sickV4, sickV6 := at("10.0.0.8:80", registry.Unhealthy), at("[2001:db8::8]:80", registry.Unhealthy)
	for what, c := range map[string]struct {
		instances []*registry.Instance
		a, aaaa   int
	}{
		"IPv4 only":                 {[]*registry.Instance{v4, sickV4}, 1, 0},
		"IPv6 only":                 {[]*registry.Instance{v6}, 0, 1},
		"both":                      {[]*registry.Instance{v4, v6}, 1, 1},
		"only IPv4 is healthy":      {[]*registry.Instance{v4, sickV6}, 1, 0},
		"only IPv6 is healthy":      {[]*registry.Instance{sickV4, v6}, 0, 1},
		"nothing is healthy":        {[]*registry.Instance{sickV4, sickV6}, 1, 1},
		"there are no instances":    {nil, 0, 0},
		"nothing of IPv4 is usable": {[]*registry.Instance{at("10.0.0.9:80", registry.Draining), sickV6}, 0, 1},
	} {
		n := name{instances: c.instances}
		if a, aaaa := len(n.chooseOf(dns.TypeA)), len(n.chooseOf(dns.TypeAAAA)); a != c.a || aaaa != c.aaaa {
			t.Errorf("%s: %d and %d records, want %d and %d", what, a, aaaa, c.a, c.aaaa)
		}
		four, six := byFamily(c.instances)
		if is4 := func(i *registry.Instance) bool { return i.Address.Addr().Is4() }; slices.ContainsFunc(six, is4) || len(four)+len(six) != len(c.instances) {
			t.Errorf("%s: %d and %d instances", what, len(four), len(six))
		}
	}
}
