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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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

// TestExternalAuthorities calls an external whose authorities are in a file that is missing at first, made later, and then
// replaced. The instance is healthy and its other calls work meanwhile, and status shows what is missing.
func TestExternalAuthorities(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	one, two := newCertificate(t, 1, "shop.example.com"), newCertificate(t, 2, "shop.example.com")
	outside := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(answer{App: "outside"}) })
	plain := httptest.NewServer(outside)
	t.Cleanup(plain.Close)
	var presented atomic.Pointer[tls.Certificate]
	presented.Store(&one.pair)
	secure := httptest.NewUnstartedServer(outside)
	secure.TLS = &tls.Config{
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return presented.Load(), nil },
		SessionTicketsDisabled: true, // a resumed session has no certificate to look at
	}
	secure.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)

	m := newMesh(t, map[string]string{
		"web.yaml": "kind: Service\nname: web\nports: [8080]\ncalls: [plain, encrypted]\n",
		"externals.yaml": fmt.Sprintf(`
{kind: External, name: plain, protocol: http, host: localhost, port: %d}
---
{kind: External, name: encrypted, protocol: http, addresses: [127.0.0.1], port: %d, tls: {serverName: shop.example.com, ca: %s/ca.pem}}
`, portOf(t, plain.URL), portOf(t, secure.URL), folder),
	})
	web := m.launchInstance("web", "web-1", options{})
	serves(t, "the sidecar", func() string { return m.stateOf("web", web.ingress, "healthy") })
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	answersExactly(t, egress, "plain", "outside")
	if status, body := get(t, egress, "encrypted"); status != http.StatusServiceUnavailable {
		t.Errorf("without authorities: got %d %s, want 503", status, body)
	}
	refused := m.refusal("sidecar/web/", "secrets")
	if !strings.Contains(refused.Message, "ca.pem: no such file") || !slices.Equal(refused.Names, []string{"ca/encrypted"}) || len(refused.Origins) == 0 {
		t.Errorf("the refusal is %+v: want the file and the document", refused)
	}
	for _, c := range []certificate{one, two} {
		presented.Store(&c.pair)
		secure.CloseClientConnections()
		if status, body := get(t, egress, "encrypted"); status != http.StatusServiceUnavailable {
			t.Errorf("a certificate of an unknown authority: got %d %s, want 503", status, body)
		}
		overwrite(t, filepath.Join(folder, "ca.pem"), c.chainPEM)
		serves(t, "the external", func() string { return reasonOf(ask(newClient(t), egress, "encrypted")) })
	}
	m.inSync()
}
