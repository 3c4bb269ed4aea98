package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// startZone serves DNS for the records, which are answered with that code, and returns its address.
func startZone(t *testing.T, code *atomic.Int32, records ...string) string {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetRcode(query, int(code.Load()))
		for _, text := range records {
			record, err := dns.NewRR(text)
			if err != nil {
				t.Error(err)
				continue
			}
			if header := record.Header(); reply.Rcode == dns.RcodeSuccess && header.Name == query.Question[0].Name && header.Rrtype == query.Question[0].Qtype {
				reply.Answer = append(reply.Answer, record)
			}
		}
		_ = w.WriteMsg(reply)
	})
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}), make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: handler, NotifyStartedFunc: func() { close(started) }}
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return conn.LocalAddr().String()
}

// TestSources lists instances in a file, by address and by names in DNS (A and SRV): an edge calls all of them, and
// stops calling one that the file does not list any more. Neither a mistake in the file nor a restart while names
// cannot be resolved fails a request.
func TestSources(t *testing.T) {
	t.Parallel()
	at := startAddresses(t, 3)
	ipA, portA, _ := net.SplitHostPort(at[1])
	ipSRV, portSRV, _ := net.SplitHostPort(at[2])
	var code atomic.Int32
	resolver := startZone(t, &code, "users.test. 1 IN A "+ipA, "_http._tcp.users.test. 1 IN SRV 0 100 "+portSRV+" srv.users.test.", "srv.users.test. 1 IN A "+ipSRV)
	path := filepath.Join(t.TempDir(), "instances.yaml")
	list := func(entries ...string) {
		t.Helper()
		text := "services:\n- name: users\n  instances:\n  - " + strings.Join(entries, "\n  - ") + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	byA, bySRV := fmt.Sprintf("{dns: users.test, port: %s}", portA), "{dns: _http._tcp.users.test, type: SRV}"
	list(at[0], byA, bySRV)
	m := newMeshWith(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge}, nil, "--instances", path, "--instances-resolver", resolver)
	edge := m.startEdge("public")
	for _, address := range at {
		answers(t, edge, "any.example.com", address)
	}
	if shown := m.run("instances", "-o", "wide"); !strings.Contains(shown, "listed by file") || !strings.Contains(shown, "listed by dns") {
		t.Errorf("doyen instances does not say what lists them:\n%s", shown)
	}
	traffic := startTraffic(t, edge, "any.example.com")

	list(byA, bySRV)
	ask := func() (string, error) { return ask(http.DefaultClient, edge, "any.example.com") }
	eventually(t, "what is not listed is not called", func() string { return want("answers of ten", ofTen(ask, at[0]), 0, 0) })
	list("{address: nonsense}")
	eventually(t, "the log shows the mistake", func() string {
		if log := m.server.output.String(); !strings.Contains(log, "instances.yaml:4:") {
			return "it does not"
		}
		return ""
	})
	code.Store(dns.RcodeServerFailure)
	m.stopServer()
	m.startServer()
	m.inSync()
	for _, address := range at[1:] {
		if why := m.stateAt("users", address, "healthy"); why != "" {
			t.Errorf("%s is lost: %s", address, why)
		}
		answers(t, edge, "any.example.com", address)
	}
	traffic.mustNotFail(t)
}
