package supervisor

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// TestWhyEnvoyIsNotReady asks an admin port in the two cases that people cause: a wrong --xds, and a certificate that
// Envoy cannot use.
func TestWhyEnvoyIsNotReady(t *testing.T) {
	for name, test := range map[string]struct{ connected, listeners, want string }{
		"not connected": {"0", `{"configs": []}`, "no connection to the server's gRPC port at 10.0.0.1:18000 (--xds): not yet"},
		"refused": {"1", `{"configs": [{"name": "edge_https", "error_state": {"details": "Invalid path: /etc/shop.pem"}}, {"name": "edge_http"}]}`,
			"envoy refuses listener edge_https: Invalid path: /etc/shop.pem: not yet"},
		"slow":    {"1", `{}`, "not yet"},
		"nothing": {"x", `nonsense`, "not yet"},
	} {
		t.Run(name, func(t *testing.T) {
			admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/stats") {
					fmt.Fprintf(w, `{"stats": [{"name": "control_plane.connected_state", "value": %s}]}`, test.connected)
					return
				}
				fmt.Fprint(w, test.listeners)
			}))
			defer admin.Close()
			_, port, _ := strings.Cut(admin.Listener.Addr().String(), ":")
			number, err := strconv.Atoi(port)
			if err != nil {
				t.Fatal(err)
			}
			p := &Envoy{admin: newAdmin(number), EnvoyConfig: EnvoyConfig{Server: "10.0.0.1:18000"}}
			defer p.admin.close()
			if got := p.explain(t.Context(), errors.New("not yet")).Error(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
