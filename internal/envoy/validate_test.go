package envoy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestRealEnvoyAccepts validates, with a real Envoy, the complete static file of each case and the one that gets
// endpoints from a server. Unknown and deprecated fields are errors.
func TestRealEnvoyAccepts(t *testing.T) {
	binary := machine.Envoy(t)
	certificates := certificateFolder(t)
	for _, file := range caseFiles(t) {
		c := readCase(t, file)
		p, err := c.proxy(t)
		if err != nil || p.Node.Role == mesh.Proxyless {
			continue
		}
		o := bootstrap.Options{
			Node: p.Node, Instance: "test", Server: "localhost:18000", CA: filepath.Join(certificates, "shop.pem"),
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			static, err := bootstrap.Static(o, p, c.endpoints(t))
			if err != nil {
				t.Fatal(err)
			}
			validate(t, binary, certificates, static)
			hybrid, err := bootstrap.StaticButEndpoints(o, p)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, binary, certificates, hybrid)
		})
	}
}

// TestRealEnvoyAcceptsBootstrap validates bootstraps with a real Envoy, with a server given by name and by each kind
// of address.
func TestRealEnvoyAcceptsBootstrap(t *testing.T) {
	binary := machine.Envoy(t)
	for _, server := range []string{"doyen.example.com:18000", "10.0.0.1:18000", "[2001:db8::1]:18000"} {
		text, err := bootstrap.Envoy(bootstrap.Options{
			Node: mesh.Node{Role: mesh.Sidecar, Service: "n", Zone: "y"}, Instance: "1e3", Server: server,
		})
		if err != nil {
			t.Fatal(err)
		}
		validate(t, binary, t.TempDir(), text)
	}
}

// TestRealEnvoyRefuses shows that the tests above can fail: it has a deprecated field and a field that does not
// exist.
func TestRealEnvoyRefuses(t *testing.T) {
	binary := machine.Envoy(t)
	for _, bad := range []string{
		"no_such_field: 1\n",
		"static_resources: {clusters: [{name: \"a\", type: \"STATIC\", http2_protocol_options: {}}]}\n",
	} {
		if err := runValidate(t, binary, []byte(bad)); err == nil {
			t.Errorf("Envoy accepts %s", bad)
		}
	}
}

// validate replaces the folder of certificates that the cases name with an existing one.
func validate(t *testing.T, binary, certificates string, text []byte) {
	t.Helper()
	text = bytes.ReplaceAll(text, []byte("/etc/doyen/tls"), []byte(certificates))
	if err := runValidate(t, binary, text); err != nil {
		t.Errorf("Envoy: %v\n%s", err, text)
	}
}

// runValidate returns an error if Envoy has any objection. Envoy only warns of deprecated fields.
func runValidate(t *testing.T, binary string, text []byte) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	writeFile(t, file, text)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--mode", "validate", "-c", file, "-l", "warning", "--concurrency", "1").CombinedOutput()
	if err != nil || strings.Contains(string(out), "[warning]") {
		return fmt.Errorf("%v: %s", err, out)
	}
	return nil
}

// certificateFolder holds the PEM files that the cases name below /etc/doyen/tls.
func certificateFolder(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"shop.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	writeFile(t, filepath.Join(folder, "shop.pem"), certificate)
	writeFile(t, filepath.Join(folder, "maps.pem"), certificate)
	writeFile(t, filepath.Join(folder, "shop.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return folder
}
