package mesh

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestVirtualAddresses(t *testing.T) {
	if got, want := VirtualHTTP(), (Virtual{netip.MustParseAddr("127.192.0.1"), netip.MustParseAddr("fd64:6f79:656e::1")}); got != want {
		t.Errorf("HTTP: %v, want %v", got, want)
	}
	var names []string
	for i := range 5000 { // some of them have one hash
		names = append(names, fmt.Sprintf("service-%d", i))
	}
	all, moved := VirtualTCP(names), 0
	seen := map[netip.Addr]string{VirtualHTTP().IPv4: "HTTP", VirtualHTTP().IPv6: "HTTP"}
	for name, v := range all {
		if !VirtualIPv4.Contains(v.IPv4) || !VirtualIPv6.Contains(v.IPv6) {
			t.Errorf("%s has %v", name, v)
		}
		for _, address := range []netip.Addr{v.IPv4, v.IPv6} {
			if other, taken := seen[address]; taken {
				t.Errorf("%s and %s both have %v", name, other, address)
			}
			seen[address] = name
		}
		if VirtualTCP([]string{name})[name] != v {
			moved++
		}
	}
	if moved == 0 || moved > 20 {
		t.Errorf("%d of %d names have other addresses than when they are alone", moved, len(names))
	}
	if again := VirtualTCP(append(names, names...)); len(again) != len(names) || again["service-7"] != all["service-7"] {
		t.Error("names given twice change addresses")
	}
}
