package mesh

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Virtual addresses stand for what a manifest calls, for applications whose connections are captured. They are never on
// the wire: connections to them are redirected on their own host.
var (
	// VirtualIPv4 is a part of the loopback network, so that it clashes with no network and every host has a route to it.
	VirtualIPv4 = netip.MustParsePrefix("127.192.0.0/10")
	// VirtualIPv6 is a unique local prefix (RFC 4193). Its global ID is "doyen" in ASCII.
	VirtualIPv6 = netip.MustParsePrefix("fd64:6f79:656e::/64")
)

// Virtual is the virtual addresses of one name.
type Virtual struct {
	IPv4, IPv6 netip.Addr
}

// VirtualHTTP returns the virtual addresses that all names have that are called by HTTP: there the host of a request says
// which one is meant.
func VirtualHTTP() Virtual { return virtual(1) }

// VirtualTCP returns the virtual addresses of names that are called by TCP. Each name has addresses of its own. They are
// derived from the name and do not depend on the other names, unless two of them have one hash: then the later name, in
// alphabetical order, has the next address.
func VirtualTCP(names []string) map[string]Virtual {
	all, taken := map[string]Virtual{}, map[uint32]bool{0: true, 1: true}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if _, known := all[name]; known {
			continue
		}
		sum := sha256.Sum256([]byte(name))
		number := binary.BigEndian.Uint32(sum[:]) % virtualNumbers
		for taken[number] {
			number = (number + 1) % virtualNumbers
		}
		taken[number], all[name] = true, virtual(number)
	}
	return all
}

// virtualNumbers is how many addresses VirtualIPv4 has.
const virtualNumbers = 1 << 22

// virtual returns the addresses with that number in their prefixes.
func virtual(number uint32) Virtual {
	v4, v6 := VirtualIPv4.Addr().As4(), VirtualIPv6.Addr().As16()
	binary.BigEndian.PutUint32(v4[:], binary.BigEndian.Uint32(v4[:])|number)
	binary.BigEndian.PutUint32(v6[12:], number)
	return Virtual{netip.AddrFrom4(v4), netip.AddrFrom16(v6)}
}
