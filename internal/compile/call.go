package compile

import (
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
)

// call is one target that a service's manifest calls, and everything that was decided about it.
type call struct {
	upstream  ir.Upstream
	route     ir.Route
	traffic   config.Traffic
	localPort int // for tcp: the port on the caller's loopback, before the node has its say
}

// calls resolves every target that a manifest names, in the order of targets.
func calls(docs *documents, caller *config.Service) ([]call, error) {
	var all []call
	for _, c := range caller.Calls {
		callees, err := calleesOf(docs, c.To)
		if err != nil {
			return nil, fmt.Errorf("%s: call to %q: %w", c.Origin, c.To, err)
		}
		for _, callee := range callees {
			traffic := callee.settings(docs, c.Traffic)
			all = append(all, call{
				upstream:  callee.upstreamOf(&traffic, c.Origin),
				route:     callee.routeOf("/", &traffic, c.Origin),
				traffic:   traffic,
				localPort: docs.localPort(c),
			})
		}
	}
	slices.SortFunc(all, func(a, b call) int { return a.route.Target.Compare(b.route.Target) })
	return all, nil
}
