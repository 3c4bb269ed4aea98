package e2e

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// TestProxyMovesToAnotherServer connects a sidecar to one of two servers that share only the documents and the
// check-ins. It moves to the other one, which sends it nothing, because all versions are equal. Then it follows that
// one.
func TestProxyMovesToAnotherServer(t *testing.T) {
	documents := shop(startLedger(t))
	first, second := newMesh(t, documents), newMesh(t, documents)
	switchboard := startSwitchboard(t, first.grpc)
	first.startInstance("users", "users-1", options{})
	web := first.startInstance("web", "web-1", options{tcp: []string{"ledger"}, xds: switchboard.address})
	second.copyInstances(first)
	node := fmt.Sprintf("sidecar/web/127.0.0.1:%d", web.ingress)
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	answers(t, egress, "users", "users-1")
	had := first.proxy(node, func(p api.Proxy) bool { return p.InSync })
	before := updates(t, web.admin)

	traffic := startTraffic(t, egress, "users")
	switchboard.connect(second.grpc)
	has := second.proxy(node, func(p api.Proxy) bool { return p.InSync })
	if diff := cmp.Diff(versionsOf(had), versionsOf(has)); diff != "" {
		t.Errorf("versions at the first and the second server (-first +second):\n%s", diff)
	}
	second.startInstance("users", "users-2", options{})
	eventually(t, "users-2 gets traffic", func() string { return answered(traffic, "users-2") })
	traffic.mustNotFail(t)

	after := updates(t, web.admin)
	maps.DeleteFunc(after, func(stat string, n int) bool { return n == before[stat] })
	if len(after) != 1 || after["cluster.users.update_success"] != before["cluster.users.update_success"]+1 {
		t.Errorf("the second server sent %v, after %v: want one change of users' endpoints", after, before)
	}
}

// TestRestartedServer restarts a server with every kind of proxy connected: they reconnect, and nothing is sent to
// any of them.
func TestRestartedServer(t *testing.T) {
	t.Parallel()
	m := newMesh(t, shop(startLedger(t)))
	users := m.startInstance("users", "users-1", options{})
	web := m.startInstance("web", "web-1", options{tcp: []string{"ledger"}})
	edge := m.launchEdge("public", "http")
	edge.listens(t, "http")
	answers(t, edge.url+"/call/users/", "any.example.com", "users-1")
	m.inSync()
	look := func() (all []any) {
		status, err := m.tryStatus()
		if err != nil || len(status.Proxies) != 3 {
			t.Fatalf("%v, %d proxies, want three", err, len(status.Proxies))
		}
		for _, p := range status.Proxies {
			all = append(all, p.Node, p.Revision, versionsOf(p))
		}
		for _, admin := range []int{users.admin, web.admin, edge.admin} {
			all = append(all, updates(t, admin))
		}
		return all
	}
	before := look()
	m.stopServer()
	m.startServer()
	eventually(t, "all proxies are back in sync", func() string {
		status, err := m.tryStatus()
		inSync := 0
		for _, p := range status.Proxies {
			if p.InSync {
				inSync++
			}
		}
		return reason(err) + want("in sync", inSync, 3, 3)
	})
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Errorf("the restarted server sent something, or says so (-before +after):\n%s", diff)
	}
}

// versionsOf returns a proxy's versions by type: sent, then acknowledged.
func versionsOf(p api.Proxy) map[string][2]string {
	versions := map[string][2]string{}
	for kind, of := range p.Types {
		versions[kind] = [2]string{of.Sent, of.Acknowledged}
	}
	return versions
}

// copyInstances checks in at m all instances of another server.
func (m *mesh) copyInstances(from *mesh) {
	m.t.Helper()
	var all struct {
		Instances []struct {
			Service, Address, Zone, State string
			Ports                         map[string]int
			Weight                        int
		}
	}
	if err := getJSON("http://"+from.http+"/v1/instances", &all); err != nil || len(all.Instances) == 0 {
		m.t.Fatalf("instances %v, %v", all, err)
	}
	for _, i := range all.Instances {
		m.checkIn(i.Service, i.Address, fmt.Sprintf(`{"state": %q, "weight": %d}`, i.State, i.Weight))
	}
}

// checkIn registers an instance by hand.
func (m *mesh) checkIn(service, address, body string) {
	m.t.Helper()
	request, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://%s/v1/instances/%s/%s", m.http, service, address), strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode > http.StatusCreated {
		m.t.Fatalf("check-in of %s: %s %s", address, response.Status, text)
	}
}

// switchboard forwards connections to one server at a time.
type switchboard struct {
	address string

	mu    sync.Mutex
	to    string
	conns []net.Conn
}

func startSwitchboard(t *testing.T, to string) *switchboard {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switchboard{address: listener.Addr().String(), to: to}
	t.Cleanup(func() {
		listener.Close()
		s.connect("")
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.pass(conn)
		}
	}()
	return s
}

// connect closes all connections. New ones lead to another address.
func (s *switchboard) connect(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
}

func (s *switchboard) pass(from net.Conn) {
	defer from.Close()
	s.mu.Lock()
	to, err := net.Dial("tcp", s.to)
	if err != nil {
		s.mu.Unlock()
		return
	}
	s.conns = append(s.conns, from, to)
	s.mu.Unlock()
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
}
