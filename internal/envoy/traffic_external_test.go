package envoy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

const externalDocuments = `
kind: Service
name: web
calls: [shop, stranger, system]
---
kind: External
name: shop
protocol: http
addresses: [127.0.0.1]
port: %[1]d
tls: {serverName: shop.example.com, ca: %[2]s}
---
kind: External
name: stranger
protocol: http
addresses: [127.0.0.1]
port: %[1]d
tls: {serverName: other.example.com, ca: %[2]s}
---
kind: External
name: system
protocol: http
host: localhost
port: %[1]d
tls: {serverName: shop.example.com}
`

// TestExternalTLS calls an external over TLS: the sidecar sends its name, checks its certificate against the file or
// the system's authorities, and refuses one with a different name.
func TestExternalTLS(t *testing.T) {
	certificates := certificateFolder(t)
	ca := filepath.Join(certificates, "shop.pem")
	pair, err := tls.LoadX509KeyPair(ca, filepath.Join(certificates, "shop.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.TLS.ServerName, r.Host)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it is to be refused once
	server.StartTLS()
	t.Cleanup(server.Close)
	port, egress := int(addressOf(t, server.URL).Port()), machine.FreePorts(t, 1)[0]
	runStatic(t, fmt.Sprintf(externalDocuments, port, ca),
		mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Egress: egress}}, ca)

	url := fmt.Sprintf("http://127.0.0.1:%d/", egress)
	for host, want := range map[string]string{
		"shop":   fmt.Sprintf("shop.example.com shop.example.com:%d", port),
		"system": fmt.Sprintf("shop.example.com localhost:%d", port),
	} {
		waitFor(t, host+" answers", func() error { // the DNS name may still be being looked up
			a, err := get(http.DefaultClient, url, hostHeader(host))
			if err == nil && a.body != want {
				t.Errorf("%s: the external sees %q, want %q", host, a.body, want)
			}
			return err
		})
	}
	if a, _ := get(http.DefaultClient, url, hostHeader("stranger")); a.status != http.StatusServiceUnavailable {
		t.Errorf("a certificate with another name: status %d, want 503", a.status)
	}
}
