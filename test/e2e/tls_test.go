package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// tlsEdge returns an edge with certificates from a folder.
func tlsEdge(folder string) string {
	return fmt.Sprintf(`
kind: Edge
name: public
owner: network@example.com
listeners:
- {name: http, address: 127.0.0.1, port: 8000}
- {name: https, address: 127.0.0.1, port: 8443, tls: {certificate: %[1]s/shop.pem, key: %[1]s/shop.key}}
routes: [{to: users}]
`, folder)
}

// TestEdgeCertificate sends requests by HTTP/1.1 and HTTP/2 to an edge's TLS listener, and replaces the certificate's
// files under load: the edge uses the new certificate, and no request fails.
func TestEdgeCertificate(t *testing.T) {
	certificates := t.TempDir()
	newCertificate(t, 1, "shop.example.com").write(t, certificates)
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": tlsEdge(certificates)})
	m.startInstance("users", "users-1", options{})
	edge := m.launchEdge("public", "http", "https")
	edge.listens(t, "https")
	url := fmt.Sprintf("https://127.0.0.1:%d/", edge.ports["https"])

	for _, protocol := range []string{"http/1.1", "h2"} {
		var serial atomic.Int64
		ask := newTLSClient(t, protocol, &serial)
		eventually(t, protocol+" is answered", func() string { return reason(ask(url)) })
		traffic := startRequests(t, func() (string, error) { return "users-1", ask(url) })
		for range 5 {
			next := serial.Load() + 1
			newCertificate(t, next, "shop.example.com").write(t, certificates)
			eventually(t, "the new certificate is used", func() string {
				if got := serial.Load(); got != next {
					return fmt.Sprintf("the certificate is number %d", got)
				}
				return ""
			})
		}
		traffic.sends(t, rate)
		traffic.mustNotFail(t)
	}
}

// newTLSClient returns a function that sends one request by the given protocol, each on a new connection. It stores
// the serial number of the certificate in serial.
func newTLSClient(t *testing.T, protocol string, serial *atomic.Int64) func(url string) error {
	t.Helper()
	config := &tls.Config{
		ServerName: "shop.example.com", NextProtos: []string{protocol},
		InsecureSkipVerify: true, // which certificate it is, is what the test looks at
		VerifyConnection: func(s tls.ConnectionState) error {
			if s.NegotiatedProtocol != protocol {
				return fmt.Errorf("protocol is %q", s.NegotiatedProtocol)
			}
			serial.Store(s.PeerCertificates[0].SerialNumber.Int64())
			return nil
		},
	}
	return func(url string) error {
		transport := &http.Transport{ForceAttemptHTTP2: protocol == "h2", TLSClientConfig: config.Clone()}
		defer transport.CloseIdleConnections()
		name, err := ask(&http.Client{Transport: transport}, url, "shop.example.com")
		if err == nil && name != "users-1" {
			err = errors.New(name + " answered")
		}
		return err
	}
}
