package envoy_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

const edgeDocuments = `
kind: Edge
name: public
listeners:
- {name: plain, port: 8000, address: 127.0.0.1}
- {name: secure, port: 8443, address: 127.0.0.1, tls: {certificate: %[1]s/shop.pem, key: %[1]s/shop.key}}
routes:
- {path: /users, to: users, hosts: [shop.example.com, "*.shop.example.com"]}
- {path: /, to: web, hosts: [shop.example.com]}
---
kind: Service
name: web
ports: [8080]
---
kind: Service
name: users
ports: [8081]
`

// runEdge starts an edge and returns its plain-text and its TLS address.
func runEdge(t *testing.T, certificates string) (plain, secure string) {
	t.Helper()
	web, users := echo(t, "web"), echo(t, "users")
	ports := map[string]int{"plain": machine.FreePorts(t, 1)[0], "secure": machine.FreePorts(t, 1)[0]}
	runStatic(t, fmt.Sprintf(edgeDocuments, certificates),
		mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{Edge: ports}}, "",
		endpointsOf(t, "web", web.URL), endpointsOf(t, "users", users.URL))
	return fmt.Sprintf("http://127.0.0.1:%d", ports["plain"]), fmt.Sprintf("https://127.0.0.1:%d", ports["secure"])
}

// TestEdgeRoutes sends requests by host and path. Paths match whole segments, and are normalized before they are
// compared.
func TestEdgeRoutes(t *testing.T) {
	plain, _ := runEdge(t, certificateFolder(t))
	for _, test := range []struct{ host, path, want string }{
		{"shop.example.com", "/", "web"},
		{"shop.example.com", "/users", "users"},
		{"shop.example.com:8000", "/users/7", "users"},
		{"shop.example.com", "/users2", "web"},
		{"shop.example.com", "/x/../users", "users"},
		{"shop.example.com", "//users", "users"},
		{"de.shop.example.com", "/users", "users"},
	} {
		a, err := get(http.DefaultClient, plain+test.path, hostHeader(test.host))
		if err != nil || !strings.HasPrefix(a.body, test.want+" ") {
			t.Errorf("%s%s: %q, %v, want %s", test.host, test.path, a.body, err, test.want)
		}
	}
	for host, path := range map[string]string{"de.shop.example.com": "/", "example.com": "/users", "shop.example.com.evil.org": "/users"} {
		if a, _ := get(http.DefaultClient, plain+path, hostHeader(host)); a.status != http.StatusNotFound {
			t.Errorf("%s%s: %d, want 404", host, path, a.status)
		}
	}
	checkEdgeHeaders(t, plain)
}

// checkEdgeHeaders checks which headers an edge does not trust, and which it does not send.
func checkEdgeHeaders(t *testing.T, plain string) {
	t.Helper()
	header := hostHeader("shop.example.com")
	header.Set("X-Forwarded-For", "192.0.2.1")
	header.Set("X-Request-Id", "7")
	a, err := get(http.DefaultClient, plain, header)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.header.Get("Seen-Forwarded-For"); !strings.HasPrefix(got, "192.0.2.1,") {
		t.Errorf("x-forwarded-for is %q, want what was sent and the connection's address", got)
	}
	if got := a.header.Get("Seen-Request-Id"); got == "7" || got == "" {
		t.Errorf("x-request-id is %q, want one of the edge's own", got)
	}
	if got := a.header.Get("Server"); got != "doyen" {
		t.Errorf("server is %q, want doyen", got)
	}
	if got := a.header.Get("X-Envoy-Upstream-Service-Time"); got != "" {
		t.Errorf("x-envoy-upstream-service-time is %q, want none", got)
	}
	header["X_Request_Id"] = []string{"8"}
	if a, _ := get(http.DefaultClient, plain, header); a.status != http.StatusBadRequest {
		t.Errorf("a header with '_': status %d, want 400", a.status)
	}
}

// TestEdgeTLS checks that an edge serves the certificate of its files, and selects HTTP/2 if the client supports it.
func TestEdgeTLS(t *testing.T) {
	certificates := certificateFolder(t)
	_, secure := runEdge(t, certificates)
	trust := trustOf(t, filepath.Join(certificates, "shop.pem"))
	for _, want := range []struct {
		http2 bool
		proto string
	}{{true, "HTTP/2.0"}, {false, "HTTP/1.1"}} {
		transport := &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: trust, ServerName: "shop.example.com"},
			ForceAttemptHTTP2: want.http2,
		}
		request, err := http.NewRequest(http.MethodGet, secure, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "shop.example.com"
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		transport.CloseIdleConnections()
		if response.StatusCode != http.StatusOK || response.Proto != want.proto {
			t.Errorf("%d by %s, want 200 by %s", response.StatusCode, response.Proto, want.proto)
		}
	}
}

func trustOf(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", file)
	}
	return pool
}
