package mesh

import "net/netip"

// SocketsOverlap reports whether sockets at two addresses cannot be open at the same time on one host. An unspecified
// address covers every address of its family, and "::" also those of IPv4.
func SocketsOverlap(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	switch {
	case a.Port() != b.Port():
		return false
	case x == y:
		return true
	}
	covers := func(x, y netip.Addr) bool { return x.IsUnspecified() && (x.Is6() || y.Is4()) }
	return covers(x, y) || covers(y, x)
}
