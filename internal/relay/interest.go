package relay

import (
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/xds"
)

// wildcard subscribes to all resources of a type.
const wildcard = "*"

// asksForAll says whether a first request of a type without names asks for everything: the
// legacy wildcard of the xDS protocol, for clusters, listeners and scoped routes, and virtual hosts where the
// servers push them (xds.ServerOptions).
func (o Options) asksForAll(typeURL string) bool {
	return typeURL == xds.ClusterType || typeURL == xds.ListenerType || typeURL == xds.ScopedRouteType ||
		typeURL == xds.VirtualHostType && o.PushVirtualHosts
}

// interest is what one stream of a client subscribes to, by type.
type interest map[string]*names

// names is the subscription of one stream to one type.
type names struct {
	set   map[string]bool // wildcard among them
	named bool            // state-of-the-world: a name was asked for before
}

// request applies a request of the stream to its interest, and returns the type's subscription
// before and after it. all says whether a first request without names asks for everything.
func (i interest) request(delta, all bool, r xds.RequestInfo) (before, after map[string]bool) {
	n, known := i[r.Type]
	if !known {
		n = &names{set: map[string]bool{}}
		i[r.Type] = n
	}
	before = n.set
	switch {
	case delta:
		n.change(r, all && !known)
	default:
		n.replace(r, all)
	}
	return before, n.set
}

// change applies a delta request, which names what to add and what to drop.
func (n *names) change(r xds.RequestInfo, all bool) {
	legacy := all && r.Names.Len() == 0
	if r.Names.Len()+r.Unsubscribed.Len() == 0 && !legacy {
		return
	}
	n.set = maps.Clone(n.set)
	for name := range r.Unsubscribed.All() {
		delete(n.set, name)
	}
	for name := range r.Names.All() {
		n.set[name] = true
	}
	if legacy {
		n.set[wildcard] = true
	}
}

// replace applies a state-of-the-world request, which names everything.
func (n *names) replace(r xds.RequestInfo, all bool) {
	set := make(map[string]bool, r.Names.Len())
	for name := range r.Names.All() {
		set[name] = true
	}
	n.named = n.named || len(set) > 0
	if len(set) == 0 && !n.named && all {
		set[wildcard] = true
	}
	if !maps.Equal(set, n.set) {
		n.set = set
	}
}

// missing returns the names in a that are not in b, sorted.
func missing(a, b map[string]bool) []string {
	var list []string
	for name := range a {
		if !b[name] {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
