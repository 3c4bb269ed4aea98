package server

import "testing"

// TestServices checks that the gRPC port also serves health and CSDS.
func TestServices(t *testing.T) {
	services := built(t).grpc.GetServiceInfo()
	for _, name := range []string{
		"envoy.service.discovery.v3.AggregatedDiscoveryService",
		"envoy.service.status.v3.ClientStatusDiscoveryService",
		"grpc.health.v1.Health",
	} {
		if _, ok := services[name]; !ok {
			t.Errorf("there is no %s among %v", name, services)
		}
	}
}
