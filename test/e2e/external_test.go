package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
)

// TestHTTPExternals calls hosts outside the mesh by HTTP and by HTTPS, by DNS name and by addresses. Each gets the
// DNS name of its document as the host; one without a DNS name gets the caller's host.
func TestHTTPExternals(t *testing.T) {
	t.Parallel()
	certificates := t.TempDir()
	authority := newCertificate(t, 1, "shop.example.com")
	authority.write(t, certificates)
	outside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(answer{App: r.Host})
	})
	plain := httptest.NewServer(outside)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(outside)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{authority.pair}}
	secure.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // it is to be refused once
	secure.StartTLS()
	t.Cleanup(secure.Close)

	m := newMesh(t, map[string]string{
		"web.yaml": "kind: Service\nname: web\nports: [8080]\ncalls: [by-name, by-address, encrypted, untrusted]\n",
		"externals.yaml": fmt.Sprintf(`
{kind: External, name: by-name, protocol: http, host: localhost, port: %[1]d}
---
{kind: External, name: by-address, protocol: http, addresses: [127.0.0.1], port: %[1]d}
---
kind: External
name: encrypted
protocol: http
addresses: [127.0.0.1]
port: %[2]d
tls: {serverName: shop.example.com, ca: %[3]s/shop.pem}
---
kind: External
name: untrusted
protocol: http
addresses: [127.0.0.1]
port: %[2]d
tls: {serverName: other.example.com, ca: %[3]s/shop.pem}
`, portOf(t, plain.URL), portOf(t, secure.URL), certificates),
	})
	web := m.startInstance("web", "web-1", options{})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	for host, sees := range map[string]string{
		"by-name":        fmt.Sprintf("localhost:%d", portOf(t, plain.URL)),
		"by-address":     "by-address",
		"encrypted":      fmt.Sprintf("shop.example.com:%d", portOf(t, secure.URL)),
		"encrypted.mesh": fmt.Sprintf("shop.example.com:%d", portOf(t, secure.URL)),
	} {
		answersExactly(t, egress, host, sees)
	}
	if status, body := get(t, egress, "untrusted"); status != http.StatusServiceUnavailable {
		t.Errorf("a certificate for another name: got %d %s, want 503", status, body)
	}
}

func portOf(t *testing.T, raw string) int {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
