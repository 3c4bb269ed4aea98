package compile

import (
	"cmp"
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
	traffic   *config.Traffic // large, and not to be changed
	localPort int             // for tcp: the port on the caller's loopback, before the node has its say
}

// calls resolves every target that a manifest names, in the order of targets.
func calls(docs *documents, caller *config.Service) ([]call, error) {
	all := make([]call, 0, len(caller.Calls))
	for _, c := range caller.Calls {
		resolved, err := docs.callsTo(c)
		if err != nil {
			return nil, fmt.Errorf("%s: call to %q: %w", c.Origin, c.To, err)
		}
		for _, one := range resolved {
			one.upstream.Origin, one.route.Origin, one.localPort = c.Origin, c.Origin, cmp.Or(c.LocalPort, one.localPort)
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b call) int { return a.route.Target.Compare(b.route.Target) })
	return all, nil
}

// callsTo resolves every target of a call, without the caller's origin and choice of a local port.
func (d *documents) callsTo(c config.Call) ([]call, error) {
	if c.Traffic == nil && d.cache != nil {
		return d.cache.callsTo(d, c.To)
	}
	return resolveCalls(d, c.To, c.Traffic)
}

func resolveCalls(docs *documents, name mesh.ServiceName, caller *config.Traffic) ([]call, error) {
	callees, err := calleesOf(docs, name)
	if err != nil {
		return nil, err
	}
	var all []call
	for _, callee := range callees {
		traffic := callee.settings(docs, caller)
		all = append(all, call{
			upstream:  callee.upstreamOf(&traffic, mesh.Origin{}),
			route:     callee.routeOf("/", &traffic, mesh.Origin{}),
			traffic:   &traffic,
			localPort: docs.set.LocalPort(config.Call{To: name}),
		})
	}
	return all, nil
}
