package envoyrefs_test

import (
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

func TestResource(t *testing.T) {
	cluster := &clusterv3.Cluster{
		Name:                 "users",
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{ServiceName: "users/a"},
	}
	r, err := envoyrefs.Resource(cluster)
	if err != nil {
		t.Fatal(err)
	}
	if got := (xds.Ref{Type: r.Type(), Name: r.Name()}); got != (xds.Ref{Type: xds.ClusterType, Name: "users"}) {
		t.Errorf("is %v", got)
	}
	if diff := cmp.Diff([]xds.Ref{{Type: xds.EndpointType, Name: "users/a"}}, r.References()); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	var back clusterv3.Cluster
	if err := proto.Unmarshal(r.Body(), &back); err != nil || !proto.Equal(cluster, &back) {
		t.Errorf("came back as %v, %v", &back, err)
	}
}

func TestResourceName(t *testing.T) {
	tests := map[string]struct {
		message proto.Message
		want    string
		err     string
	}{
		"an assignment's is its cluster's": {&endpointv3.ClusterLoadAssignment{ClusterName: "users"}, "users", ""},
		"no name":                          {&clusterv3.Cluster{}, "", "envoy.config.cluster.v3.Cluster has no name"},
		"a message that never has one":     {&corev3.Address{}, "", "envoy.config.core.v3.Address has no name"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := envoyrefs.Resource(test.message)
			if err != nil {
				if err.Error() != test.err {
					t.Errorf("error is %q, want %q", err, test.err)
				}
				return
			}
			if test.err != "" || r.Name() != test.want {
				t.Errorf("name is %q, want %q or error %q", r.Name(), test.want, test.err)
			}
		})
	}
}

func TestResourceWith(t *testing.T) {
	m := &clusterv3.Cluster{Name: "a"}
	r, err := envoyrefs.ResourceWith(m, xds.ResourceOptions{TTL: time.Minute})
	if err != nil || r.TTL() != time.Minute {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := envoyrefs.ResourceWith(m, xds.ResourceOptions{Aliases: []string{"\xff"}}); err == nil {
		t.Error("an alias that is not UTF-8 is taken")
	}
	needs := []xds.Ref{{Type: xds.SecretType, Name: "s"}}
	if r, err := envoyrefs.ResourceWith(m, xds.ResourceOptions{References: needs}); err != nil || !slices.Equal(r.References(), needs) {
		t.Errorf("%v, %v", r, err)
	}
}
