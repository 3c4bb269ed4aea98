package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/on_demand/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// promptly is how soon a request that waits for a resource that does not exist is answered: the server answers
// immediately, so Envoy need not wait for its own timeout.
const promptly = 3 * time.Second

// onDemand is the filter that makes requests wait for what they need.
func onDemand(config string) string {
	return fmt.Sprintf(`{"name": "on-demand", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand" %s
	}}`, config)
}

// TestOnDemandClusters has a route whose host header names a cluster to which the client has not subscribed.
func TestOnDemandClusters(t *testing.T) {
	for _, v := range []variant{{delta: true, ads: true}, {delta: true}} {
		t.Run(v.String(), func(t *testing.T) {
			s := serve(t, xdstest.Options{}, xds.ServerOptions{})
			main := resource(new(routev3.RouteConfiguration), "main", `{"name": "main", "virtual_hosts": [{
				"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster_header": "host"}}]
			}]}`)
			in := listener(v, "in", "main", onDemand(fmt.Sprintf(`, "odcds": {"source": %s, "timeout": "15s"}`, v.source())))
			s.publish(in, main, strictCluster("there", backend(t, "there")))
			e := runEnvoy(t, v, "", s.address)
			address := e.listener("in")
			expectPromptly(t, address, "missing", "503 ")
			eventually(t, "cluster", func() error { return answers(address, "there", "200 there") })
			// The missing cluster is sent once it exists.
			s.publish(in, main, strictCluster("there", backend(t, "there")), strictCluster("missing", backend(t, "found")))
			eventually(t, "cluster", func() error { return answers(address, "missing", "200 found") })
		})
	}
}

// strictCluster returns a cluster that contains its endpoint.
func strictCluster(name, address string) *xds.Resource {
	return resource(new(clusterv3.Cluster), name, `{
		"name": %q, "type": "STATIC", "connect_timeout": "1s",
		"load_assignment": {"cluster_name": %q, "endpoints": [{"lb_endpoints": [%s]}]}
	}`, name, name, endpoint(address))
}

// TestOnDemandVirtualHosts gets virtual hosts on demand, by VHDS, which is delta only. Envoy's listener waits for a
// first virtual host before any request, up to the initial fetch timeout.
func TestOnDemandVirtualHosts(t *testing.T) {
	for _, v := range []variant{{delta: true, ads: true}, {delta: true}} {
		t.Run(v.String(), func(t *testing.T) {
			s := serve(t, xdstest.Options{}, xds.ServerOptions{})
			source := strings.Replace(v.source(), "{", `{"initial_fetch_timeout": "0.1s", `, 1)
			main := resource(new(routev3.RouteConfiguration), "main", `{"name": "main", "vhds": {"config_source": %s}}`, source)
			in := listener(v, "in", "main", onDemand(""))
			a := strictCluster("a", backend(t, "a"))
			s.publish(in, main, a, virtualHost("there.test"))
			e := runEnvoy(t, v, "", s.address)
			began := time.Now()
			address := e.listener("in")
			eventually(t, "virtual host", func() error { return answers(address, "there.test", "200 a") })
			if took := time.Since(began); took > promptly {
				t.Errorf("the listener was warming for %v", took)
			}
			expectPromptly(t, address, "missing.test", "404 ")
			s.publish(in, main, a, virtualHost("there.test"), virtualHost("missing.test"))
			eventually(t, "virtual host", func() error { return answers(address, "missing.test", "200 a") })
		})
	}
}

func virtualHost(domain string) *xds.Resource {
	m := &routev3.VirtualHost{
		Name: "main/" + domain, Domains: []string{domain},
		Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "a"}}},
		}},
	}
	return encoded(m, m.Name, xds.ResourceOptions{Aliases: []string{"main/" + domain}, References: []xds.Ref{{Type: clusterType, Name: "a"}}})
}

// expectPromptly requests once what does not exist.
func expectPromptly(t *testing.T, address, host, want string) {
	t.Helper()
	began := time.Now()
	if err := answers(address, host, want); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("a request for %s was answered after %v", host, took)
	}
}
