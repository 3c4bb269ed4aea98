package conformance

import (
	"fmt"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// TestExtensionConfig gets a filter by ECDS together with the listener that needs it, and changes the filter alone.
func TestExtensionConfig(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		e := runEnvoy(t, v, "", s.address)
		a := backend(t, "a")
		publish := func(status int) {
			s.publish(
				listener(v, "in", "main", discoveredFilter(v)), routes("main", "a"),
				cluster(v, "a", "1s"), assignment("a", a), faultFilter(status),
			)
		}
		publish(418)
		in := e.listener("in")
		reaches(t, in, "418 fault filter abort")
		publish(425)
		reaches(t, in, "425 fault filter abort")
		expectNoRejection(t, e)
	})
}

func discoveredFilter(v variant) string {
	return fmt.Sprintf(`{"name": "fault", "config_discovery": {
		"config_source": %s, "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"]
	}}`, v.source())
}

// faultFilter returns a filter that answers every request with a status.
func faultFilter(status int) *xds.Resource {
	return resource(new(corev3.TypedExtensionConfig), "fault", `{"name": "fault", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
		"abort": {"http_status": %d, "percentage": {"numerator": 100}}
	}}`, status)
}
