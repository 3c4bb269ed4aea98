package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

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

// TestRefusedCertificate gives an edge files that contain no certificate: the edge rejects them, status says so, and
// its other listener continues. Both corrections are tried: the document names good files, or the files are corrected
// and the edge is started again.
func TestRefusedCertificate(t *testing.T) {
	for _, c := range []struct{ name, content, says string }{
		{"no file", "", "shop.pem"},
		{"no certificate", "nonsense", "certificate chain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, good := t.TempDir(), t.TempDir()
			newCertificate(t, 1, "shop.example.com").write(t, good)
			if c.content != "" {
				replace(t, filepath.Join(bad, "shop.pem"), []byte(c.content))
				replace(t, filepath.Join(bad, "shop.key"), []byte(c.content))
			}
			m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": tlsEdge(bad)})
			m.startInstance("users", "users-1", options{})
			edge := m.launchEdge("public", "http", "https")
			edge.provokes()
			edge.listens(t, "http")
			answers(t, edge.url, "any.example.com", "users-1")
			refused := m.refusal("edge/public/", "secrets")
			if !strings.Contains(refused.Message, c.says) || len(refused.Origins) != 1 || !strings.HasPrefix(refused.Origins[0], "edge.yaml:7:") {
				t.Errorf("the refusal is %+v: want %q and edge.yaml:7", refused, c.says)
			}
			m.statusSays("it rejected a change of its secrets", "edge.yaml:7:", c.says, "2 connected, 1 in sync")

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

			newCertificate(t, 2, "shop.example.com").write(t, bad)
			again := m.launchEdge("public", "http", "https")
			again.listens(t, "https")
			var first atomic.Int64
			askAgain := newTLSClient(t, "h2", &first)
			eventually(t, "TLS is answered", func() string { return reason(askAgain(fmt.Sprintf("https://127.0.0.1:%d/", again.ports["https"]))) })

			m.write("edge.yaml", tlsEdge(good))
			var serial atomic.Int64
			ask := newTLSClient(t, "h2", &serial)
			eventually(t, "TLS is answered", func() string { return reason(ask(fmt.Sprintf("https://127.0.0.1:%d/", edge.ports["https"]))) })
			m.inSync()
		})
	}
}
