package redisengine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/redisengine"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

func open(t testing.TB, url, password string) *redisengine.Engine {
	t.Helper()
	return openWith(t, url, redisengine.Passwords{Store: redisengine.Password(password)})
}

func openWith(t testing.TB, url string, passwords redisengine.Passwords) *redisengine.Engine {
	t.Helper()
	address, err := redisengine.ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := redisengine.Open(address, passwords)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	return engine
}

// conform runs the suite with a store of its own for each test: a prefix that no other has.
func conform(t *testing.T, url, password string) {
	n := 0
	between := "?"
	if strings.Contains(url, "?") {
		between = "&"
	}
	sharetest.Conform(t, func(t *testing.T) share.Engine {
		n++
		return open(t, fmt.Sprintf("%s%sprefix=test%d", url, between, n), password)
	})
}

func TestOneNode(t *testing.T) {
	server := redisserver.Start(t)
	conform(t, "redis://"+server.Address(), "")
}

// TestUserOfACL: a user with no more rights than the page on several servers says.
func TestUserOfACL(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/several-servers.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)^user doyen on .*$").FindString(string(page))
	if line == "" {
		t.Fatal("the page has no user")
	}
	line = strings.NewReplacer("CHANGE-ME", "secret", "~doyen*", "~test*").Replace(line)
	users := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(users, []byte("user default off\n"+line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := redisserver.Start(t, "--aclfile", users)
	conform(t, "redis://doyen@"+server.Address(), "secret")
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	server := redisserver.StartTLS(t, file("cert.pem"), file("key.pem"), file("cert.pem"))
	conform(t, fmt.Sprintf("rediss://%s?ca=%s&cert=%s&key=%s", server.Address(), file("cert.pem"), file("cert.pem"), file("key.pem")), "")

	stranger := open(t, "rediss://"+server.Address(), "")
	if _, err := stranger.Versions(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its authority: %v, want an error about the certificate", err)
	}
}

// writePair writes a certificate for 127.0.0.1 that signs itself, and its key.
func writePair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCluster(t *testing.T) {
	nodes := redisserver.StartCluster(t)
	conform(t, "redis+cluster://"+nodes[0].Address()+"?addr="+nodes[1].Address(), "")
}

func TestSentinel(t *testing.T) {
	_, _, sentinel := redisserver.StartReplicated(t)
	conform(t, "redis+sentinel://"+sentinel.Address()+"?master=mesh", "")
}

// TestSentinelPassword: Sentinels that want a password, also of a user of their own.
func TestSentinelPassword(t *testing.T) {
	const password = "sentinel-secret"
	_, _, sentinel := redisserver.StartReplicated(t, "user default off", "user watcher on >"+password+" allchannels +@all")
	url := "redis+sentinel://" + sentinel.Address() + "?master=mesh"
	if _, err := openWith(t, url+"&sentinel-user=watcher", redisengine.Passwords{Sentinel: password}).Versions(t.Context()); err != nil {
		t.Errorf("with the user of the Sentinels: %v", err)
	}
	if _, err := open(t, url, "").Versions(t.Context()); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("without: %v, want an error without the password", err)
	}
}

// TestErrorsHaveNoSecrets: a wrong password is reported without it.
func TestErrorsHaveNoSecrets(t *testing.T) {
	server := redisserver.Start(t, "--requirepass", "right")
	engine := open(t, "redis://"+server.Address(), "hunter2")
	if _, err := engine.Versions(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want an error without the password", err)
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(form, struct{ P redisengine.Password }{"hunter2"}); strings.Contains(text, "hunter2") {
			t.Errorf("%s prints %s", form, text)
		}
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"redis://10.0.0.5": "Redis at 10.0.0.5:6379",
		"redis://doyen@redis.example.com:7000/3?prefix=m:1": "Redis at redis.example.com:7000",
		"rediss://[2001:db8::7]?ca=/etc/ca.pem":             "Redis at [2001:db8::7]:6379",
		"redis+sentinel://a?addr=b:26380&master=mesh":       `Redis "mesh" by Sentinel at a:26379, b:26380`,
		"redis+sentinel://a?addr=b&addr=[::1]&master=mesh":  `Redis "mesh" by Sentinel at a:26379, b:26379, [::1]:26379`,
		"rediss+cluster://a?addr=b":                         "Redis Cluster at a:6379, b:6379",
	} {
		if a, err := redisengine.ParseAddress(url); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v, want %s", url, a, err, want)
		}
	}
	for _, url := range []string{
		"", "10.0.0.5", "http://a", "redis:a", "redis://", "redis://a/x", "redis://a/-1", "redis://a#x", "redis://a?x=1", "redis://a?ca=x", "redis://a?prefix={}",
		"redis+cluster://a/1", "redis+sentinel://a", "redis://a?master=x", "redis://a?sentinel-user=x", "redis://a?addr=b", "redis+cluster://a?addr=", "redis+cluster://a?addr=:6379", "redis://u:hunter2@a", "redis://:hunter2@a:b",
	} {
		if a, err := redisengine.ParseAddress(url); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %+v, %v, want an error without secrets", url, a, err)
		}
	}
}
