package registry

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/printable"
)

// Limits of an instance, so that one check-in cannot use unlimited memory or make pushes arbitrarily large. Weights
// are small because consistent-hash balancers use table entries for them, and because Envoy requires their sum to be
// below 2^32.
const (
	MaxWeight   = 1000
	MinLease    = 10 * time.Second
	MaxLease    = 24 * time.Hour
	MaxPorts    = 16
	MaxTags     = 32
	MaxTagKey   = 63   // bytes
	MaxTagValue = 255  // bytes
	MaxReason   = 512  // bytes
	MaxProxy    = 512  // bytes
	MaxIdentity = 2048 // bytes, the limit of the SPIFFE-ID standard, section 2.3
)

// Problem is one thing that is wrong with a check-in.
type Problem struct {
	Field    string // as the JSON API names it: "weight", "tags.build"
	Got      string // what was wrong, with the value
	Expected string // what would be right
}

// Error returns the problem on one line.
func (p Problem) Error() string { return fmt.Sprintf("%s: %s: want %s", p.Field, p.Got, p.Expected) }

// Invalid is everything that is wrong with one check-in, as an error.
type Invalid []Problem

// Error returns all problems on one line.
func (v Invalid) Error() string {
	var lines []string
	for _, p := range v {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "; ")
}

// Problems returns everything that is wrong with i, in the order of its fields; none if it is valid.
func (i *Instance) Problems() []Problem {
	var found []Problem
	add := func(field, got, expected string, args ...any) {
		found = append(found, Problem{field, got, fmt.Sprintf(expected, args...)})
	}
	if _, err := mesh.ParseServiceName(string(i.Service)); err != nil {
		add("service", fmt.Sprintf("%q is no service name", i.Service), "a DNS label such as users")
	}
	if why := unreachable(i.Address); why != "" {
		add("address", why, "a unicast IP address and port such as 10.0.0.7:9211 or [2001:db8::7]:9211")
	}
	if _, err := mesh.ParseNetworkName(string(i.Network)); err != nil {
		add("network", fmt.Sprintf("%q is no network name", i.Network), "a DNS label such as east, or none for the default network")
	}
	found = append(found, portProblems(i.Ports)...)
	if _, err := mesh.ParseZoneName(string(i.Zone)); err != nil {
		add("zone", fmt.Sprintf("%q is no zone name", i.Zone), "a zone such as a or eu-1a, or a region and a zone such as eu/eu-1a")
	}
	found = append(found, tagProblems(i.Tags)...)
	if i.Weight < 1 || i.Weight > MaxWeight {
		add("weight", fmt.Sprintf("%d is out of range", i.Weight), "1-%d", MaxWeight)
	}
	if !slices.Contains(States[:], i.State) {
		add("state", fmt.Sprintf("%q is no state", i.State), "one of starting, healthy, unhealthy, draining, maintenance")
	}
	if len(i.Reason) > MaxReason || !printable.Is(i.Reason) {
		add("reason", fmt.Sprintf("%d bytes are too long or not printable", len(i.Reason)), "at most %d bytes of printable UTF-8", MaxReason)
	}
	if i.Lease < MinLease || i.Lease > MaxLease {
		add("lease", fmt.Sprintf("%v is out of range", i.Lease), "a duration of 10s-24h")
	}
	if why := badIdentity(i.Identity); why != "" {
		add("identity", why, "a SPIFFE ID such as spiffe://example.org/users")
	}
	if len(i.Proxy) > MaxProxy || !printable.Is(i.Proxy) {
		add("proxy", fmt.Sprintf("%.80q of %d bytes is too long or not printable", i.Proxy, len(i.Proxy)), "the node ID of an Envoy, at most %d bytes of printable UTF-8", MaxProxy)
	}
	return found
}

// unreachable returns why callers cannot reach address; "" if they can.
func unreachable(address netip.AddrPort) string {
	ip := address.Addr()
	switch {
	case !ip.IsValid():
		return "there is none"
	case address.Port() == 0:
		return fmt.Sprintf("%v has port 0", address)
	case ip.IsUnspecified():
		return fmt.Sprintf("%v is where to listen, not where to call", address)
	case ip.IsMulticast():
		return fmt.Sprintf("%v is a multicast address", address)
	case ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Sprintf("%v is the broadcast address", address)
	case ip.Zone() != "":
		return fmt.Sprintf("%v has a zone, which means something on one host only", address)
	case ip.Is4In6():
		return fmt.Sprintf("%v is an IPv4 address in IPv6 form", address)
	}
	return ""
}

func portProblems(ports map[mesh.PortName]int) []Problem {
	if len(ports) > MaxPorts {
		return []Problem{{"ports", fmt.Sprintf("there are %d", len(ports)), fmt.Sprintf("at most %d", MaxPorts)}}
	}
	var found []Problem
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		field := "ports." + string(name)
		if _, err := mesh.ParsePortName(string(name)); err != nil {
			found = append(found, Problem{field, fmt.Sprintf("%q is no port name", name), "a DNS label such as admin"})
		}
		if port := ports[name]; port < 1 || port > 65535 {
			found = append(found, Problem{field, fmt.Sprintf("%d is out of range", port), "1-65535"})
		}
	}
	return found
}

func tagProblems(tags map[string]string) []Problem {
	if len(tags) > MaxTags {
		return []Problem{{"tags", fmt.Sprintf("there are %d", len(tags)), fmt.Sprintf("at most %d", MaxTags)}}
	}
	var found []Problem
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if !isTagKey(key) {
			found = append(found, Problem{"tags", fmt.Sprintf("%.80q is no tag", key),
				fmt.Sprintf("1-%d of a-z, A-Z, 0-9, '.', '_', '-' and '/'", MaxTagKey)})
		}
		if value := tags[key]; len(value) > MaxTagValue || !printable.Is(value) {
			found = append(found, Problem{fmt.Sprintf("tags.%.80s", key), fmt.Sprintf("the value of %d bytes is too long or not printable", len(value)),
				fmt.Sprintf("at most %d bytes of printable UTF-8", MaxTagValue)})
		}
	}
	return found
}

func isTagKey(key string) bool {
	return key != "" && len(key) <= MaxTagKey && !strings.ContainsFunc(key, func(r rune) bool {
		return !strings.ContainsRune("._-/", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func badIdentity(id string) string {
	rest, found := strings.CutPrefix(id, "spiffe://")
	switch {
	case id == "":
		return ""
	case len(id) > MaxIdentity:
		return fmt.Sprintf("it has %d bytes", len(id))
	case !found || rest == "" || rest[0] == '/' || !printable.Is(id) || strings.ContainsAny(id, " ?#%"):
		return fmt.Sprintf("%.80q is no SPIFFE ID", id)
	}
	return ""
}
