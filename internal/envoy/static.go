package envoy

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Static returns the configuration of an Envoy that gets no listeners and clusters from a server: routes are inside
// the listeners that use them, and certificates are given by file name.
type Static struct {
	Listeners []*listenerv3.Listener
	Clusters  []*clusterv3.Cluster
}

// StaticWithEndpoints puts the endpoints of services into the clusters, too, so that no server is needed. A service
// that is not in sets has no endpoints.
func StaticWithEndpoints(p ir.Proxy, sets []ir.EndpointSet) (Static, error) {
	endpoints := map[ir.Target]ir.EndpointSet{}
	for _, set := range sets {
		endpoints[set.Target] = set
	}
	return static(encoder{proxy: p, inline: true, endpoints: endpoints})
}

// StaticButEndpoints gets only the endpoints of services from a server.
func StaticButEndpoints(p ir.Proxy) (Static, error) {
	return static(encoder{proxy: p, inline: true})
}

func static(e encoder) (Static, error) {
	if e.proxy.Node.Role == mesh.Proxyless {
		return Static{}, fmt.Errorf("role %s: a gRPC program runs no Envoy", mesh.Proxyless)
	}
	var s Static
	for _, p := range e.listeners() {
		m, _ := p.build()
		s.Listeners = append(s.Listeners, m.(*listenerv3.Listener))
	}
	for _, p := range e.clusters() {
		m, _ := p.build()
		s.Clusters = append(s.Clusters, m.(*clusterv3.Cluster))
	}
	return s, nil
}
