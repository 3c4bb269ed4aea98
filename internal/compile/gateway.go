package compile

import (
	"net/netip"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// gatewayRoutes returns the routes of a gateway, and everything that they lead to: every HTTP port of every service, by
// the hosts under which services call it, and for requests with other hosts by the target that an edge has added to them.
//
// The callers' proxies set timeouts and retry. The gateway does neither, so that a caller's longer timeout holds.
func gatewayRoutes(docs *documents) ([]ir.VirtualHost, []ir.Upstream, error) {
	docs.read(config.AnyServiceKey())
	byTargets := ir.VirtualHost{Hosts: []string{"*"}}
	var hosts []ir.VirtualHost
	var upstreams []ir.Upstream
	for _, name := range slices.Sorted(docs.set.Services.Keys()) {
		calls, err := docs.callsTo(config.Call{To: name})
		if err != nil {
			return nil, nil, err
		}
		for _, c := range calls {
			if !c.upstream.Protocol.IsHTTP() {
				continue
			}
			u := c.upstream
			u.Origin = docs.service(name).Origin
			upstreams = append(upstreams, u)
			route := ir.Route{Path: "/", Target: u.Target, Protocol: u.Protocol, Origin: u.Origin}
			hosts = append(hosts, ir.VirtualHost{Hosts: u.Target.Hosts(), Routes: []ir.Route{route}, Origin: u.Origin})
			route.OnlyAnnounced = true
			byTargets.Routes = append(byTargets.Routes, route)
			byTargets.Origin = u.Origin
		}
	}
	if len(byTargets.Routes) > 0 {
		hosts = append(hosts, byTargets)
	}
	slices.SortFunc(upstreams, byTarget)
	return hosts, upstreams, nil
}

// GatewaysOf returns the addresses of every network's gateways.
func GatewaysOf(m *config.Mesh) ir.Gateways {
	var all ir.Gateways
	for i := range m.Networks {
		n := &m.Networks[i]
		for _, text := range n.Gateways {
			address, err := netip.ParseAddr(text)
			if err != nil {
				continue // documents are valid
			}
			if all == nil {
				all = ir.Gateways{}
			}
			all[n.ID()] = append(all[n.ID()], netip.AddrPortFrom(address.Unmap(), uint16(n.Port)))
		}
	}
	return all
}

// nowhere is the network of clients whose own is not listed in the Mesh: no instance is in it.
const nowhere mesh.NetworkName = "?"

// ViewerOf returns where a node is, and so which endpoints it gets. A gateway is in the network of its document, whatever
// it says of itself.
func ViewerOf(docs *config.Documents, node mesh.Node) ir.Viewer {
	v := ir.Viewer{Network: node.Network, Zone: node.Zone}
	if node.Role == mesh.EdgeProxy {
		if e := docs.Edges.Get(node.Edge); e != nil && e.Gateway != "" {
			v.Network, v.Local = e.Network(), true
		}
	}
	if v.Network != "" && docs.Mesh.Network(v.Network) == nil {
		v.Network = nowhere
	}
	return v
}
