package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestRefusedListener gives an edge a listener on a port in use. The edge rejects it and continues, status says who
// rejected what and from which line, no other proxy is affected, and correcting the file ends it.
func TestRefusedListener(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge})
	m.startInstance("users", "users-1", options{})
	edge := m.launchEdge("public", "http")
	edge.listens(t, "http")
	edge.provokes()
	answers(t, edge.url, "any.example.com", "users-1")

	document := func(port int) string {
		return fmt.Sprintf(`
kind: Edge
name: public
listeners:
- {name: http, address: 127.0.0.1, port: 8000}
- {name: more, address: 127.0.0.1, port: %d}
routes: [{to: users}, {path: /new, to: users}]
`, port)
	}
	m.write("edge.yaml", document(portOf(t, "tcp://"+taken.Addr().String())))
	refused := m.refusal("edge/public/", "listeners")
	if !strings.Contains(refused.Message, "ddress already in use") || len(refused.Origins) != 1 || !strings.HasPrefix(refused.Origins[0], "edge.yaml:6:") || refused.Time.IsZero() {
		t.Errorf("the refusal is %+v: want the port, edge.yaml:6 and a time", refused)
	}
	m.statusSays("it rejected a change of its listeners", "edge.yaml:6:", "ddress already in use", "REJECTED", "2 connected, 1 in sync")
	answers(t, edge.url+"/new", "any.example.com", "users-1")

	m.write("edge.yaml", document(machine.FreePorts(t, 1)[0]))
	m.inSync()
}

// refusal waits until a proxy whose node ID begins so has rejected something of that type.
func (m *mesh) refusal(node, kind string) (r api.Rejection) {
	m.t.Helper()
	eventually(m.t, node+" refuses "+kind, func() string {
		s, err := m.tryStatus()
		for _, p := range s.Proxies {
			if strings.HasPrefix(p.Node, node) && p.Types[kind].Rejected != nil {
				r = *p.Types[kind].Rejected
				return ""
			}
		}
		return fmt.Sprintf("%v, proxies %+v", err, s.Proxies)
	})
	return r
}

// statusSays requires every text in the output of doyen status.
func (m *mesh) statusSays(texts ...string) {
	m.t.Helper()
	out := m.run("status", "-o", "wide") // lines are not broken
	for _, text := range texts {
		if !strings.Contains(out, text) {
			m.t.Errorf("doyen status says\n%s\nwant %q", out, text)
		}
	}
}

// TestRefusedCertificate gives an edge files that are missing or contain no certificate: status says so, with the line,
// and the edge's other listener serves. As soon as the files are good, so does the listener with TLS. A document that
// names other files, which are missing, changes nothing.
func TestRefusedCertificate(t *testing.T) {
	for _, c := range []struct{ name, content, says string }{
		{"no file", "", "shop.pem: no such file or directory"},
		{"no certificate", "nonsense", "shop.pem: it has no certificate in PEM form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder, missing := t.TempDir(), t.TempDir()
			if c.content != "" {
				replace(t, filepath.Join(folder, "shop.pem"), []byte(c.content))
				replace(t, filepath.Join(folder, "shop.key"), []byte(c.content))
			}
			m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": tlsEdge(folder)})
			m.startInstance("users", "users-1", options{})
			edge := m.launchEdge("public", "http", "https")
			serves(t, "the edge's other listener", func() string { return reasonOf(ask(newClient(t), edge.url, "any.example.com")) })
			refused := m.refusal("edge/public/", "secrets")
			if !strings.Contains(refused.Message, c.says) || len(refused.Origins) != 1 || !strings.HasPrefix(refused.Origins[0], "edge.yaml:7:") {
				t.Errorf("the refusal is %+v: want %q and edge.yaml:7", refused, c.says)
			}
			m.statusSays("it rejected a change of its secrets", "edge.yaml:7:", c.says, "2 connected, 1 in sync")
			m.says(t, "edge-public", "secret edge/https", "not used", c.says)
			eventually(t, "the edge's log says so too", func() string {
				log := edge.output.String()
				if !strings.Contains(log, "edge serves, but not all") || !strings.Contains(log, "listener https was refused: ") || !strings.Contains(log, c.says) {
					return log
				}
				if strings.Contains(log, "edge ready") {
					t.Errorf("the log says that the edge is ready:\n%s", log)
				}
				return ""
			})

			newCertificate(t, 2, "shop.example.com").write(t, folder)
			written := time.Now()
			var serial atomic.Int64
			askTLS := newTLSClient(t, "h2", &serial)
			url := fmt.Sprintf("https://127.0.0.1:%d/", edge.ports["https"])
			eventually(t, "TLS is answered", func() string { return reason(askTLS(url)) })
			if took := time.Since(written); took > certificateLimit {
				t.Errorf("the certificate is used after %v: want at most %v", took, certificateLimit)
			}
			m.inSync()

			m.write("edge.yaml", tlsEdge(missing))
			if refused := m.refusal("edge/public/", "secrets"); !strings.Contains(refused.Message, missing) {
				t.Errorf("the refusal is %+v: want a file in %s", refused, missing)
			}
			newCertificate(t, 3, "shop.example.com").write(t, folder)
			eventually(t, "the files that are there are used", func() string {
				err := askTLS(url)
				if got := serial.Load(); err == nil && got != 3 {
					return fmt.Sprintf("the certificate is number %d", got)
				}
				return reason(err)
			})
			newCertificate(t, 4, "shop.example.com").write(t, missing)
			m.inSync()
			eventually(t, "the other files are used", func() string {
				err := askTLS(url)
				if got := serial.Load(); err == nil && got != 4 {
					return fmt.Sprintf("the certificate is number %d", got)
				}
				return reason(err)
			})
		})
	}
}
