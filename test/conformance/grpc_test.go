package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// users returns everything for the target xds:///users.
func users(address string) []*xds.Resource {
	return []*xds.Resource{
		resource(new(listenerv3.Listener), "users", `{"name": "users", "api_listener": {"api_listener": {
			"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"rds": {"route_config_name": "users-routes", "config_source": {"ads": {}, "resource_api_version": "V3"}},
			"http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]
		}}}`),
		resource(new(routev3.RouteConfiguration), "users-routes", `{"name": "users-routes", "virtual_hosts": [{
			"name": "users", "domains": ["users"], "routes": [{"match": {"prefix": ""}, "route": {"cluster": "users-cluster"}}]
		}]}`),
		resource(new(clusterv3.Cluster), "users-cluster", `{
			"name": "users-cluster", "type": "EDS", "lb_policy": "ROUND_ROBIN",
			"eds_cluster_config": {"service_name": "users-endpoints", "eds_config": {"ads": {}, "resource_api_version": "V3"}}
		}`),
		resource(new(endpointv3.ClusterLoadAssignment), "users-endpoints", `{"cluster_name": "users-endpoints", "endpoints": [{
			"locality": {"region": "r", "zone": "z"}, "load_balancing_weight": 1, "lb_endpoints": [%s]
		}]}`, endpoint(address)),
	}
}

// badCluster returns users-cluster in a form that gRPC rejects: with a type that it does not support (A27, A37).
func badCluster() *xds.Resource {
	return resource(new(clusterv3.Cluster), "users-cluster", `{"name": "users-cluster", "type": "STATIC"}`)
}

func TestGRPCFirstCallAndEndpointChange(t *testing.T) {
	eachLanguage(t, func(t *testing.T, start func(string) grpcClient) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		s.publish(users(grpcBackend(t, "one"))...)
		call := start(s.address)
		call.reaches(t, "ok one")
		s.publish(users(grpcBackend(t, "two"))...)
		call.reaches(t, "ok two")
		s.expectAccepted(t)
	})
}

// TestGRPCMissingResource requests a listener that does not exist. The server answers immediately with a response
// that does not contain it (C057), and sends it once it exists. The test does not wait for the clients' own timers.
func TestGRPCMissingResource(t *testing.T) {
	eachLanguage(t, func(t *testing.T, start func(string) grpcClient) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		s.publish()
		call := start(s.address)
		if got := call(2 * time.Second); !strings.HasPrefix(got, "error") {
			t.Errorf("a call to a target that does not exist: %s", got)
		}
		eventually(t, "request", func() error { return s.asked(listenerType) }) // the call may have ended before
		eventually(t, "answer", func() error {
			if len(s.responses(listenerType)) == 0 {
				return errors.New("none")
			}
			return nil
		})
		answer := s.responses(listenerType)
		if len(answer) != 1 || len(answer[0].Resources) != 0 {
			t.Errorf("the request for a listener was answered with %v", answer)
		}
		s.publish(users(grpcBackend(t, "one"))...)
		call.reaches(t, "ok one")
		s.expectAccepted(t)
	})
}

// TestGRPCRejection sends a cluster that is rejected: the last good one stays in use, the server's status shows it,
// and a corrected one is accepted.
func TestGRPCRejection(t *testing.T) {
	eachLanguage(t, func(t *testing.T, start func(string) grpcClient) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		good := users(grpcBackend(t, "one"))
		s.publish(good...)
		call := start(s.address)
		call.reaches(t, "ok one")
		s.publish(append(good, badCluster())...)
		if r := s.awaitRejection(t, clusterType); r.Message == "" || !slices.Equal(r.Names, []string{"users-cluster"}) {
			t.Errorf("rejection is %+v", r)
		}
		if got := call(2 * time.Second); got != "ok one" {
			t.Errorf("after a rejection: %s", got)
		}
		s.publish(users(grpcBackend(t, "two"))...)
		call.reaches(t, "ok two")
	})
}

func TestGRPCServerRestart(t *testing.T) {
	eachLanguage(t, func(t *testing.T, start func(string) grpcClient) {
		one := grpcBackend(t, "one")
		first := serve(t, xdstest.Options{}, xds.ServerOptions{})
		first.publish(users(one)...)
		call := start(first.address)
		call.reaches(t, "ok one")
		first.awaitAcknowledged(t, users(one)...)
		first.stop()
		if got := call(2 * time.Second); got != "ok one" {
			t.Errorf("without a server: %s", got)
		}
		second := serveAt(t, first.address, xdstest.Options{}, xds.ServerOptions{})
		second.publish(users(grpcBackend(t, "two"))...)
		call.reaches(t, "ok two")
		second.expectAccepted(t)
	})
}

// reaches calls until the answer is as wanted.
func (call grpcClient) reaches(t *testing.T, want string) {
	t.Helper()
	eventually(t, "call", func() error {
		if got := call(2 * time.Second); got != want {
			return fmt.Errorf("%s, want %s", got, want)
		}
		return nil
	})
}

// asked returns an error unless the client has subscribed to the type.
func (s *server) asked(typeURL string) error {
	for _, m := range s.recorder.Messages() {
		if m.FromClient && m.Type == typeURL {
			return nil
		}
	}
	return fmt.Errorf("no request for %s", typeURL)
}

// expectAccepted fails the test if the client has rejected anything.
func (s *server) expectAccepted(t *testing.T) {
	t.Helper()
	for _, m := range s.recorder.Messages() {
		if m.Error != "" {
			t.Errorf("rejected: %v", m)
		}
	}
}
