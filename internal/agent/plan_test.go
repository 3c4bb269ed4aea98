package agent

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// planned runs both steps of choosing ports.
func planned(o Options, service api.Service) (*plan, error) {
	o.Address = netip.MustParseAddr("10.0.0.7")
	chooser := newPortChooser()
	o, err := o.choosePorts(chooser)
	if err != nil {
		return nil, err
	}
	return newPlan(o, service, chooser)
}

func shop() api.Service {
	return api.Service{
		Name:  "web",
		Ports: []api.Port{{Name: "http", Protocol: "http", Port: 8080}, {Name: "admin", Protocol: "http", Port: 8081}},
		Calls: []api.Call{{To: "users", Protocol: "http"}, {To: "ledger-db", Protocol: "tcp", LocalPort: 25432}},
	}
}

func TestPlanFollowsManifestAndFlags(t *testing.T) {
	type ports = map[mesh.PortName]int
	tests := []struct {
		name    string
		options Options
		node    mesh.Ports
		address string
		further ports
	}{
		{
			"as the manifest says", Options{IngressPorts: ports{"": 29211}, EgressPort: 29001},
			mesh.Ports{Egress: 29001, Ingress: ports{"http": 29211, "admin": 29212}, App: ports{"http": 8080, "admin": 8081}, TCP: map[mesh.ServiceName]int{"ledger-db": 25432}},
			"10.0.0.7:29211", ports{"admin": 29212},
		},
		{
			"as the flags say",
			Options{
				AppPorts: ports{"": 7000, "admin": 7001}, IngressPorts: ports{"http": 29300, "admin": 29400}, EgressPort: 29001,
				TCPPorts: map[mesh.ServiceName]int{"ledger-db": 29500},
			},
			mesh.Ports{Egress: 29001, Ingress: ports{"http": 29300, "admin": 29400}, App: ports{"http": 7000, "admin": 7001}, TCP: map[mesh.ServiceName]int{"ledger-db": 29500}},
			"10.0.0.7:29300", ports{"admin": 29400},
		},
		{
			"without Envoy", Options{Proxyless: true, AppPorts: ports{"": 7000}},
			mesh.Ports{}, "10.0.0.7:7000", ports{"admin": 8081},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Service = "web"
			p, err := planned(test.options, shop())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.node, p.node.Ports, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("node's ports (-want +got):\n%s", diff)
			}
			if got := p.instance.Address.String(); got != test.address {
				t.Errorf("address %s, want %s", got, test.address)
			}
			if diff := cmp.Diff(test.further, p.instance.Ports); diff != "" {
				t.Errorf("further ports (-want +got):\n%s", diff)
			}
			proxy := "sidecar/web/" + test.address
			if test.options.Proxyless {
				proxy = ""
			}
			if p.instance.Proxy != proxy {
				t.Errorf("the proxy is %q, want %q", p.instance.Proxy, proxy)
			}
			if p.instance.State != registry.Starting {
				t.Errorf("state %q, want starting", p.instance.State)
			}
		})
	}
}

func TestFreePortsDiffer(t *testing.T) {
	o := Options{Service: "web", IngressPorts: map[mesh.PortName]int{"": 0}, TCPPorts: map[mesh.ServiceName]int{"ledger-db": 0}}
	p, err := planned(o, shop())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	ports := p.node.Ports
	for _, port := range []int{ports.Egress, ports.Ingress["http"], ports.Ingress["admin"], ports.TCP["ledger-db"]} {
		if port < freeFrom || port >= freeTo || seen[port] {
			t.Errorf("port %d of %+v", port, ports)
		}
		seen[port] = true
	}
}

func TestPlanRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := busy.Addr().(*net.TCPAddr).Port
	type ports = map[mesh.PortName]int
	silent := shop()
	silent.Ports = []api.Port{{Name: "http", Protocol: "http"}}
	tests := []struct {
		name    string
		options Options
		service api.Service
		err     string
	}{
		{"unknown port", Options{AppPorts: ports{"metrics": 1}}, shop(), `--port metrics: service "web" has no port of that name; it has http, admin`},
		{"unknown ingress port", Options{IngressPorts: ports{"metrics": 0}}, shop(), `--ingress-port metrics: service "web" has no port of that name`},
		{"unknown tcp", Options{TCPPorts: map[mesh.ServiceName]int{"ledger": 0}}, shop(), `calls no TCP service or external of that name; it calls ledger-db`},
		{"no port known", Options{}, silent, `neither its manifest nor --port says where`},
		{"taken", Options{EgressPort: taken}, shop(), "is in use by another program"},
		{"local port taken", Options{TCPPorts: map[mesh.ServiceName]int{"ledger-db": taken}}, shop(), "ledger-db port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Service = "web"
			if _, err := planned(test.options, test.service); err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error = %v, want one that contains %q", err, test.err)
			}
		})
	}
}

// TestAllPortProblemsAtOnce wants every port that cannot be had named, with the flag that chooses another.
func TestAllPortProblemsAtOnce(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := busy.Addr().(*net.TCPAddr).Port
	o := Options{IngressPorts: map[mesh.PortName]int{"admin": 29001}, EgressPort: taken, AdminPort: 29001, TCPPorts: map[mesh.ServiceName]int{"ledger-db": taken}}
	_, err = planned(o, shop())
	var problems PortProblems
	if !errors.As(err, &problems) {
		t.Fatalf("error = %#v, want PortProblems", err)
	}
	var flags []string
	for _, p := range problems {
		flags = append(flags, p.Flag)
	}
	if want := []string{"--tcp-port ledger-db=0", "--egress-port 0", "--admin-port 0"}; !slices.Equal(flags, want) {
		t.Errorf("problems %v with the flags %q, want %q", err, flags, want)
	}
}

func TestOwnAddressLeadsToTheServer(t *testing.T) {
	o, err := Options{HostOptions: HostOptions{Server: "http://127.0.0.1:18001"}}.chooseAddress()
	if err != nil || o.Address.String() != "127.0.0.1" {
		t.Errorf("got %v, %v, want 127.0.0.1", o.Address, err)
	}
}

// TestIngressOfLoopbackStaysThere wants the ingress of an instance that only its own machine can call to
// be closed to all others.
func TestIngressOfLoopbackStaysThere(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "::1"} {
		if got := ingressAddress(netip.MustParseAddr(address)); got.String() != address {
			t.Errorf("an instance at %s listens on %v", address, got)
		}
	}
	if got := ingressAddress(netip.MustParseAddr("10.0.0.7")); got.IsValid() && !got.IsUnspecified() {
		t.Errorf("an instance at 10.0.0.7 listens on %v alone: want every address", got)
	}
}
