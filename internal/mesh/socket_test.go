package mesh

import (
	"net/netip"
	"testing"
)

func TestSocketsOverlap(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:80", "10.0.0.1:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::]:80", "[::1]:80", true},
		{"[::]:80", "0.0.0.0:80", true},
		{"[::]:80", "0.0.0.0:81", false},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
		{"0.0.0.0:80", "[::ffff:127.0.0.1]:80", true},
	} {
		a, b := netip.MustParseAddrPort(test.a), netip.MustParseAddrPort(test.b)
		if SocketsOverlap(a, b) != test.want || SocketsOverlap(b, a) != test.want {
			t.Errorf("%s and %s: %t and %t, want %t", a, b, SocketsOverlap(a, b), SocketsOverlap(b, a), test.want)
		}
	}
}
