package compile

import (
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// call is one target that a service's manifest calls, and everything that was decided about it.
type call struct {
	upstream  ir.Upstream
	route     ir.Route
	localPort int // for tcp: the port on the caller's loopback, before the node has its say
}

// calls resolves every target that a manifest names, in the order of targets.
func calls(docs *documents, caller *config.Service) ([]call, error) {
	var all []call
	for _, c := range caller.Calls {
		if s := docs.service(c.To); s != nil {
			all = append(all, serviceCalls(docs, s, c)...)
		} else if e := docs.external(c.To); e != nil {
			one, err := externalCall(docs, e, c)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		} else {
			return nil, fmt.Errorf("%s: call to %q: %w", c.Origin, c.To, ErrNoDocument)
		}
	}
	slices.SortFunc(all, func(a, b call) int { return a.route.Target.Compare(b.route.Target) })
	return all, nil
}

// serviceCalls are the ports of a service: who calls it reaches all of them.
func serviceCalls(docs *documents, s *config.Service, c config.Call) []call {
	traffic := config.Resolve(c.Traffic, s.Traffic, docs.mesh().Defaults)
	var all []call
	for i, port := range s.Ports {
		target := serviceTarget(s, i)
		all = append(all, call{
			upstream:  serviceUpstream(s, i, traffic, c.Origin),
			route:     route("/", target, port.Protocol, traffic, c.Origin),
			localPort: docs.localPort(c),
		})
	}
	return all
}

// serviceTarget is the target of a service's i-th port.
func serviceTarget(s *config.Service, i int) ir.Target {
	target := ir.Target{Kind: ir.Service, Name: mesh.ServiceName(s.Name)}
	if i > 0 {
		target.Port = s.Ports[i].Name
	}
	return target
}
