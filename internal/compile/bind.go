package compile

import (
	"fmt"
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// collisions is an error if two listeners of a proxy want one port: Envoy would refuse one of them.
func collisions(p ir.Proxy) error {
	var b binds
	if p.Egress != nil {
		b.add("egress", p.Egress.Bind)
	}
	for _, t := range p.Tunnels {
		b.add(fmt.Sprintf("the local port of %q", t.Target.Name), t.Bind)
	}
	for _, in := range p.Ingress {
		b.add(fmt.Sprintf("ingress of port %q", in.Port), in.Bind)
	}
	if p.Edge != nil {
		for _, l := range p.Edge.Listeners {
			b.add(fmt.Sprintf("listener %q", l.Name), l.Bind)
		}
	}
	return b.err
}

// binds collects who listens where, and the first collision.
type binds struct {
	taken []bind
	err   error
}

type bind struct {
	who string
	at  netip.AddrPort
}

func (b *binds) add(who string, at netip.AddrPort) {
	for _, other := range b.taken {
		if b.err == nil && overlap(other.at, at) {
			b.err = fmt.Errorf("%s and %s both listen on %s", other.who, who, at)
		}
	}
	b.taken = append(b.taken, bind{who, at})
}

// overlap reports whether two sockets cannot be open together. An unspecified address takes every
// address of its family, and "::" those of IPv4 too.
func overlap(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() {
		return false
	}
	every := a.Addr().IsUnspecified() && (a.Addr().Is6() || b.Addr().Is4()) ||
		b.Addr().IsUnspecified() && (b.Addr().Is6() || a.Addr().Is4())
	return every || a.Addr() == b.Addr()
}
