package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificate is a self-signed certificate for DNS names, with its key.
type certificate struct {
	serial           int64
	pair             tls.Certificate
	chainPEM, keyPEM []byte
}

// newCertificate makes a certificate with a serial number that distinguishes it from others.
func newCertificate(t *testing.T, serial int64, names ...string) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate{
		serial:   serial,
		chainPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain}),
		keyPEM:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	if c.pair, err = tls.X509KeyPair(c.chainPEM, c.keyPEM); err != nil {
		t.Fatal(err)
	}
	return c
}

// write writes certificate and key to folder, as shop.pem and shop.key, each by rename.
func (c certificate) write(t *testing.T, folder string) {
	t.Helper()
	replace(t, filepath.Join(folder, "shop.key"), c.keyPEM)
	replace(t, filepath.Join(folder, "shop.pem"), c.chainPEM)
}

// replace replaces a file by rename, as careful programs do.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+"~", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}
