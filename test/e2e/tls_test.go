package e2e

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
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

// replacements are the ways in which TestEdgeCertificate replaces a certificate, one after the other.
var replacements = []struct {
	name    string
	replace func(t *testing.T, edge *edge, folder string, c certificate)
}{
	{"moved", func(t *testing.T, _ *edge, folder string, c certificate) { c.write(t, folder) }},
	{"in place, file by file", func(t *testing.T, edge *edge, folder string, c certificate) {
		logged := edge.logs(t, "shop.key: it is cut off")
		overwrite(t, filepath.Join(folder, "shop.key"), c.keyPEM[:len(c.keyPEM)/2])
		logged()
		logged = edge.logs(t, "does not fit the certificate")
		overwrite(t, filepath.Join(folder, "shop.key"), c.keyPEM)
		logged()
		overwrite(t, filepath.Join(folder, "shop.pem"), c.chainPEM)
	}},
	{"by links", func(t *testing.T, _ *edge, folder string, c certificate) {
		linkFolder(t, folder, "..1", c)
		for _, name := range []string{"shop.key", "shop.pem"} {
			relink(t, filepath.Join("..data", name), filepath.Join(folder, name))
		}
	}},
	{"by a link to a folder", func(t *testing.T, _ *edge, folder string, c certificate) { linkFolder(t, folder, "..2", c) }},
}

// logs returns a function that waits until a text is logged once more.
func (p *process) logs(t *testing.T, text string) (again func()) {
	before := strings.Count(p.output.String(), text)
	return func() {
		t.Helper()
		eventually(t, fmt.Sprintf("%q is logged", text), func() string {
			if strings.Count(p.output.String(), text) == before {
				return p.output.String()
			}
			return ""
		})
	}
}

// linkFolder writes a certificate to a new folder, and makes the link ..data lead there.
func linkFolder(t *testing.T, folder, name string, c certificate) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
		t.Fatal(err)
	}
	c.write(t, filepath.Join(folder, name))
	relink(t, name, filepath.Join(folder, "..data"))
}

// relink replaces a link, or whatever has its name.
func relink(t *testing.T, target, name string) {
	t.Helper()
	if err := errors.Join(os.Symlink(target, name+"~"), os.Rename(name+"~", name)); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEdgeCertificate sends requests by HTTP/1.1 and HTTP/2 to an edge's TLS listener, and replaces the certificate's
// files under load, in several ways: the edge uses the new certificate soon, no request fails, the listener stays, and
// so does a connection that was opened before. The edge also serves after a restart without a server, and no key is on
// disk or in a log.
func TestEdgeCertificate(t *testing.T) {
	certificates := t.TempDir()
	last := newCertificate(t, 1, "shop.example.com")
	last.write(t, certificates)
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": tlsEdge(certificates)})
	m.startInstance("users", "users-1", options{})
	edge := m.launchEdge("public", "http", "https")
	edge.listens(t, "https")
	url := fmt.Sprintf("https://127.0.0.1:%d/", edge.ports["https"])

	var serial atomic.Int64
	uses := func(c certificate) {
		t.Helper()
		written := time.Now()
		eventually(t, "the new certificate is used", func() string {
			if got := serial.Load(); got != c.serial {
				return fmt.Sprintf("the certificate is number %d", got)
			}
			return ""
		})
		took := time.Since(written)
		t.Logf("the new certificate is used after %v", took.Round(time.Millisecond))
		if took > certificateLimit {
			t.Errorf("the new certificate is used after %v: want at most %v", took, certificateLimit)
		}
	}
	held := newHeldConnection(t, url)
	eventually(t, "a connection is opened", held)
	const listeners = `^listener_manager\.(listener_(added|create_success|modified|in_place_updated|removed)|total_listeners_draining)$`
	before := stats(t, edge.admin, listeners)
	for _, protocol := range []string{"http/1.1", "h2"} {
		ask := newTLSClient(t, protocol, &serial)
		eventually(t, protocol+" is answered", func() string { return reason(ask(url)) })
		traffic := startRequests(t, func() (string, error) { return "users-1", ask(url) })
		for _, r := range replacements {
			t.Log(r.name)
			last = newCertificate(t, last.serial+1, "shop.example.com")
			r.replace(t, edge, certificates, last)
			uses(last)
		}
		traffic.sends(t, rate)
		traffic.mustNotFail(t)
		if err := os.RemoveAll(certificates); err != nil { // the last one is still used
			t.Fatal(err)
		}
		m.says(t, "edge-public", "shop.pem: no such file or directory", "used, expires in")
		if err := errors.Join(os.Mkdir(certificates, 0o700), ask(url)); err != nil {
			t.Fatal(err)
		}
		last = newCertificate(t, last.serial+1, "shop.example.com")
		last.write(t, certificates)
		again := startRequests(t, func() (string, error) { return "users-1", ask(url) })
		uses(last)
		if r := again.stop(); r.Failed > 0 {
			t.Errorf("%v", r)
		}
	}
	if after := stats(t, edge.admin, listeners); len(before) < 5 || !maps.Equal(after, before) {
		t.Errorf("the statistics of listeners are %v, before %v", after, before)
	}
	if problem := held(); problem != "" {
		t.Error(problem)
	}
	m.inSync()

	ask := newTLSClient(t, "h2", &serial)
	// An Envoy keeps its certificate while the agent is replaced, although the files are gone.
	traffic := startRequests(t, func() (string, error) { return "users-1", ask(url) })
	if err := os.RemoveAll(certificates); err != nil {
		t.Fatal(err)
	}
	if out, err := m.upgrade("public"); err != nil {
		t.Fatalf("doyen agent upgrade: %v: %s", err, out)
	}
	m.upgraded("edge-public", 1)
	m.says(t, "edge-public", "shop.pem: no such file or directory", "not used")
	traffic.sends(t, rate)
	last = newCertificate(t, last.serial+1, "shop.example.com")
	if err := os.Mkdir(certificates, 0o700); err != nil {
		t.Fatal(err)
	}
	last.write(t, certificates)
	uses(last)
	traffic.mustNotFail(t)
	m.inSync()

	edge.kill()
	m.server.kill()
	edge.again(m, nil)
	serves(t, "the edge", func() string { return reason(ask(url)) })
	m.mustNotHave(t, last.keyPEM, edge.process, m.server)
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/config_dump", edge.admin))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	dump, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(dump), base64.StdEncoding.EncodeToString(last.chainPEM)) || strings.Contains(string(dump), base64.StdEncoding.EncodeToString(last.keyPEM)) {
		t.Errorf("Envoy's configuration has a key, or lacks the certificate: %v", err)
	}
}

// certificateLimit is how long a new certificate may take until it is used. It is one second on a machine that has
// nothing else to do.
const certificateLimit = 5 * time.Second

// newHeldConnection returns a function that sends one request on a connection that was opened by its first call.
func newHeldConnection(t *testing.T, url string) func() string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "shop.example.com", InsecureSkipVerify: true}, MaxConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	opened := 0
	dial := (&net.Dialer{}).DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		opened++
		return dial(ctx, network, address)
	}
	client, answered := &http.Client{Transport: transport}, 0
	return func() string {
		_, err := ask(client, url, "shop.example.com")
		if answered == 0 {
			answered = opened
		}
		if err == nil && opened > answered {
			return "the connection was closed"
		}
		return reason(err)
	}
}

// mustNotHave fails the test if a key is in the state folders of agents, or in the output of a process.
func (m *mesh) mustNotHave(t *testing.T, key []byte, processes ...*process) {
	t.Helper()
	line := strings.Split(string(key), "\n")[1]
	looked := 0
	err := filepath.WalkDir(m.state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		looked++
		content, err := os.ReadFile(path)
		if strings.Contains(string(content), line) {
			t.Errorf("%s has a private key", path)
		}
		return err
	})
	if err != nil || looked == 0 {
		t.Errorf("looked at %d files: %v", looked, err)
	}
	for _, p := range processes {
		if strings.Contains(p.output.String(), line) {
			t.Errorf("the output of %s has a private key", p.name)
		}
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
