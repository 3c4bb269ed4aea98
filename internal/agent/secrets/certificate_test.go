package secrets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// certificate is a certificate with its key, as the content of files.
type certificate struct{ chain, key []byte }

// newCertificate makes a certificate that is valid for an hour, or from and until the given times.
func newCertificate(t testing.TB, times ...time.Time) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example.com"}, DNSNames: []string{"shop.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if len(times) == 2 {
		template.NotBefore, template.NotAfter = times[0], times[1]
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
}

// write writes both files in place.
func (c certificate) write(t testing.TB, folder string) {
	t.Helper()
	write(t, filepath.Join(folder, "shop.pem"), c.chain)
	write(t, filepath.Join(folder, "shop.key"), c.key)
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pairIn is the secret of a server that names shop.pem and shop.key in a folder.
func pairIn(t testing.TB, folder string) *xds.Resource {
	t.Helper()
	return encode(t, &tlsv3.Secret{Name: "edge/https", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: fileSource(filepath.Join(folder, "shop.pem")), PrivateKey: fileSource(filepath.Join(folder, "shop.key")),
	}}})
}

// authoritiesIn is the secret of a server that names a file of authorities.
func authoritiesIn(t *testing.T, file string) *xds.Resource {
	t.Helper()
	return encode(t, &tlsv3.Secret{Name: "ca/ledger", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
		TrustedCa: fileSource(file),
	}}})
}

func encode(t testing.TB, m *tlsv3.Secret) *xds.Resource {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return xds.NewResource(xds.SecretType, m.GetName(), body, xds.ResourceOptions{})
}

func fileSource(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}
