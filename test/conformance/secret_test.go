package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

func TestSecretRotation(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		e := runEnvoy(t, v, "", s.address)
		publish := func(certificate string) {
			s.publish(tlsListener(v), routes("main", "a"), cluster(v, "a", "1s"), assignment("a"), secret(t, certificate))
		}
		publish("first")
		in := e.listener("in")
		presents(t, in, "first")
		publish("second")
		presents(t, in, "second")
		expectNoRejection(t, e)
		if changes, err := e.stat("listener_manager.listener_modified"); err != nil || changes != 0 {
			t.Errorf("the listener was modified %d times (%v) by a new secret", changes, err)
		}
	})
}

func tlsListener(v variant) *xds.Resource {
	return resource(new(listenerv3.Listener), "in", `{
		"name": "in", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": [{
			"filters": [%s],
			"transport_socket": {"name": "tls", "typed_config": {
				"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
				"common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "certificate", "sds_config": %s}]}
			}}
		}]
	}`, connectionManager(v, "main"), v.source())
}

// secret returns a secret with a new self-signed certificate for a name.
func secret(t *testing.T, name string) *xds.Resource {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	inPEM := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return resource(new(tlsv3.Secret), "certificate", `{"name": "certificate", "tls_certificate": {
		"certificate_chain": {"inline_string": %q}, "private_key": {"inline_string": %q}
	}}`, inPEM("CERTIFICATE", certificate), inPEM("PRIVATE KEY", private))
}

// presents waits until a listener presents the certificate for a name.
func presents(t *testing.T, address, name string) {
	t.Helper()
	eventually(t, "certificate", func() error {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // only the name is looked at
		if err != nil {
			return err
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != name {
			return fmt.Errorf("certificate is %q, want %q", got, name)
		}
		return nil
	})
}
