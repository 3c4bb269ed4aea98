package main

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// everybody is the only view.
const everybody = "everybody"

// services are the services, each with the addresses of its instances, by name.
type services struct {
	clusters  *xds.SnapshotCache
	endpoints *xds.LinearCache

	mu     sync.Mutex
	byName map[string]map[netip.AddrPort]bool
}

func newServices() *services {
	s := &services{
		clusters:  xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(*xds.Node) string { return everybody }}),
		endpoints: xds.NewLinearCache(xds.EndpointType),
		byName:    map[string]map[netip.AddrPort]bool{},
	}
	s.clusters.Publish(everybody, xds.NewSnapshot()) // an empty set, so that clients do not wait for one
	return s
}

// source serves each type from the cache that has it.
func (s *services) source() xds.Source {
	return xds.NewMux(xds.MuxOptions{
		Types:   map[string]xds.Source{xds.EndpointType: s.endpoints},
		Default: s.clusters,
	})
}

func (s *services) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /{service}/{address}", s.change(true))
	mux.HandleFunc("DELETE /{service}/{address}", s.change(false))
	return mux
}

// change handles a call that adds, or removes, one address.
func (s *services) change(present bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address, err := netip.ParseAddrPort(r.PathValue("address"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := s.set(r.PathValue("service"), address, present); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// set adds an address to a service, or removes it. A service remains when its last address is removed: requests to it
// fail, as they do for a service without endpoints.
func (s *services) set(service string, address netip.AddrPort, present bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	addresses, known := s.byName[service]
	if !known {
		addresses = map[netip.AddrPort]bool{}
	}
	addresses = maps.Clone(addresses)
	addresses[address] = true
	if !present {
		delete(addresses, address)
	}
	resource, err := envoyrefs.Resource(assignment(service, addresses))
	if err != nil {
		return err
	}
	s.endpoints.Put(resource)
	s.byName[service] = addresses
	if known {
		return nil
	}
	return s.publishClusters()
}

// publishClusters publishes the cluster of every service.
func (s *services) publishClusters() error {
	var all []*xds.Resource
	for name := range s.byName {
		resource, err := envoyrefs.Resource(cluster(name))
		if err != nil {
			return err
		}
		all = append(all, resource)
	}
	snapshot := xds.NewSnapshot(all...)
	inCache := func(ref xds.Ref) bool { return ref.Type == xds.EndpointType && s.endpoints.Get(ref.Name) != nil }
	if err := snapshot.Check(inCache); err != nil {
		return err
	}
	s.clusters.Publish(everybody, snapshot)
	return nil
}

func cluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig: &clusterv3.Cluster_EdsClusterConfig{EdsConfig: &corev3.ConfigSource{
			ResourceApiVersion:    corev3.ApiVersion_V3,
			ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		}},
	}
}

// assignment lists addresses in sorted order, so that equal sets have equal bytes.
func assignment(name string, addresses map[netip.AddrPort]bool) *endpointv3.ClusterLoadAssignment {
	locality := &endpointv3.LocalityLbEndpoints{}
	for _, a := range slices.SortedFunc(maps.Keys(addresses), netip.AddrPort.Compare) {
		socket := &corev3.SocketAddress{
			Address: a.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())},
		}
		locality.LbEndpoints = append(locality.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket}},
			}},
		})
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{locality}}
}
