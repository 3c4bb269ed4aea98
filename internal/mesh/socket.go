package mesh

import "net/netip"

// SocketsOverlap reports whether sockets at two addresses cannot be open together on one host. An unspecified address
// stands for every address of its family, and "::" for those of IPv4 too.
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
