package envoy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// TestCapturedHosts: what the agent answers to DNS queries is what the sidecar has listeners and routes for.
func TestCapturedHosts(t *testing.T) {
	p, err := readCase(t, "testdata/capture.txtar").proxy(t)
	if err != nil {
		t.Fatal(err)
	}
	found := map[xds.Ref]*xds.Resource{}
	for _, r := range mustResources(t, p) {
		found[xds.Ref{Type: r.Type(), Name: r.Name()}] = r.Resource
	}
	listener, routes := found[xds.Ref{Type: xds.ListenerType, Name: envoy.CaptureName}], found[xds.Ref{Type: xds.RouteType, Name: envoy.EgressName}]
	got, err := envoy.CapturedHosts(listener, routes)
	if err != nil {
		t.Fatal(err)
	}
	tcp, web := mesh.VirtualTCP([]string{"cache", "ledger"}), mesh.VirtualHTTP()
	want := map[string]mesh.Virtual{
		"users": web, "users.mesh": web, "admin.users": web, "admin.users.mesh": web,
		"cache": tcp["cache"], "cache.mesh": tcp["cache"], "ledger": tcp["ledger"], "ledger.mesh": tcp["ledger"],
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b mesh.Virtual) bool { return a == b })); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if none, err := envoy.CapturedHosts(nil, routes); err != nil || len(none) > 0 {
		t.Errorf("without a listener there are hosts: %v, %v", none, err)
	}
	if _, err := envoy.CapturedHosts(xds.NewResource(xds.ListenerType, "capture", []byte("no message"), xds.ResourceOptions{}), nil); err == nil {
		t.Error("a listener that is no message has hosts")
	}
}
