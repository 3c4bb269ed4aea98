package compile

import (
	"fmt"
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// collisions returns an error if two listeners of a proxy use one port: Envoy would refuse one of them.
func collisions(p ir.Proxy) error {
	var b binds
	if p.Egress != nil {
		b.add("egress", p.Egress.Bind)
	}
	if p.Capture != nil {
		for _, at := range p.Capture.Binds {
			b.add("capture", at)
		}
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

// binds collects which part of a proxy listens where, and the first collision.
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
		if b.err == nil && mesh.SocketsOverlap(other.at, at) {
			b.err = fmt.Errorf("%s and %s both listen on %s", other.who, who, at)
		}
	}
	b.taken = append(b.taken, bind{who, at})
}
