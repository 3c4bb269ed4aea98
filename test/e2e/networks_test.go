//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doyen-mesh/doyen/test/machine"
)

// apart is two networks, each a namespace of its own, with a cable between them. Both have the address overlapping.
type apart struct {
	t          *testing.T
	here, east string // names of the namespaces
	clients    map[string]*http.Client
}

const (
	hereIP      = "10.213.0.1" // of the default network, on the cable
	eastIP      = "10.213.0.2" // of the network east, on the cable
	overlapping = "10.99.0.1"  // of an instance in each network
)

func newApart(t *testing.T) *apart {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		machine.Missing(t, "network namespaces need root, and ip of iproute2")
	}
	a := &apart{t: t, here: fmt.Sprintf("doyen-%d-here", os.Getpid()), east: fmt.Sprintf("doyen-%d-east", os.Getpid()), clients: map[string]*http.Client{}}
	for _, name := range []string{a.here, a.east} {
		a.run("ip netns add " + name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		a.run("ip -n " + name + " link set lo up")
		a.run("ip -n " + name + " address add " + overlapping + "/32 dev lo")
		a.clients[name] = a.client(name)
	}
	a.run("ip -n " + a.here + " link add cable type veth peer name cable netns " + a.east)
	for name, ip := range map[string]string{a.here: hereIP, a.east: eastIP} {
		a.run("ip -n " + name + " address add " + ip + "/24 dev cable")
		a.run("ip -n " + name + " link set cable up")
	}
	return a
}

func (a *apart) run(command string) {
	a.t.Helper()
	words := strings.Fields(command)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		a.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// client returns an HTTP client whose connections begin in a namespace. A socket belongs to the namespace of the thread
// that made it, so one thread makes all of them.
func (a *apart) client(namespace string) *http.Client {
	there, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		a.t.Fatal(err)
	}
	type dial struct {
		ctx              context.Context
		network, address string
		conn             chan net.Conn
		err              chan error
	}
	dials := make(chan dial)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer there.Close()
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		wrong := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
		for d := range dials {
			conn, err := net.Conn(nil), wrong
			if err == nil {
				conn, err = (&net.Dialer{}).DialContext(d.ctx, d.network, d.address)
			}
			if err != nil {
				d.err <- err
			} else {
				d.conn <- conn
			}
		}
	}()
	transport := &http.Transport{MaxIdleConnsPerHost: mostUnderWay, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		d := dial{ctx, network, address, make(chan net.Conn, 1), make(chan error, 1)}
		select {
		case dials <- d:
		case <-ended:
			return nil, net.ErrClosed
		}
		select {
		case conn := <-d.conn:
			return conn, nil
		case err := <-d.err:
			return nil, err
		}
	}}
	a.t.Cleanup(func() { transport.CloseIdleConnections(); close(dials); <-ended })
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// start starts a doyen command in a namespace.
func (a *apart) start(namespace, name string, env []string, args ...string) *process {
	a.t.Helper()
	env = append(env, "XDG_STATE_HOME="+a.t.TempDir(), "DOYEN_SERVER=http://"+hereIP+":18001", "DOYEN_XDS="+hereIP+":18000")
	return start(a.t, name, env, "ip", append([]string{"netns", "exec", namespace, doyen}, args...)...)
}

// agent starts an instance in a namespace.
func (a *apart) agent(namespace, service, name, kind string, args ...string) {
	a.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.t.Fatal(err)
	}
	flags := append([]string{"agent", "--service", service, "--address", overlapping, "--admin-port", "0"}, args...)
	if namespace == a.east {
		flags = append(flags, "--network", "east")
	}
	a.start(namespace, name, []string{appVariable + "=" + name, kindVariable + "=" + kind}, append(flags, "--", self)...)
}

// want waits until every one of some requests is answered by an application.
func (a *apart) want(what, app string, call func() (string, error)) {
	a.t.Helper()
	eventually(a.t, what, func() string {
		for range 20 {
			if got, err := call(); err != nil || got != app {
				return fmt.Sprintf("answered by %q, %v: want %s", got, err, app)
			}
		}
		return ""
	})
}

// api makes a call of the registry's API.
func (a *apart) api(method, path, body string) error {
	request, err := http.NewRequest(method, "http://"+hereIP+":18001"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.clients[a.here].Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return nil
}

// TestNetworksApart runs a mesh over two networks with the same addresses. Requests stay in the caller's network while it
// has an instance that works, and otherwise go through the gateway of the other one, whatever their hosts; gRPC programs
// find the way, too. No request fails when an instance is put in maintenance.
func TestNetworksApart(t *testing.T) {
	a := newApart(t)
	folder := t.TempDir()
	for name, text := range map[string]string{
		"mesh.yaml":     "kind: Mesh\nname: shop\ndefaults: {retries: 0}\nnetworks: [{name: east, gateways: " + eastIP + "}]\n",
		"gateway.yaml":  "kind: Edge\nname: gateway-east\nlisteners: 15443\ngateway: east\n",
		"public.yaml":   "kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: users, hosts: shop.example.com}\n",
		"users.yaml":    "kind: Service\nname: users\nports: [8080]\nhealth: /healthz\n",
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: grpc\n",
		"web.yaml":      "kind: Service\nname: web\nports: [8081]\ncalls: [users]\n",
		"reports.yaml":  "kind: Service\nname: reports\nports: [8082]\ncalls: [payments]\n",
	} {
		if err := os.WriteFile(folder+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a.start(a.here, "server", nil, "server", "--config", folder, "--data", t.TempDir(), "--grpc", hereIP+":18000", "--http", hereIP+":18001")
	eventually(t, "the server answers", func() string { return reason(a.api("GET", "/v1/status", "")) })
	a.start(a.east, "gateway", nil, "edge", "--edge", "gateway-east", "--network", "east")
	a.start(a.here, "edge", nil, "edge", "--edge", "public", "--admin-port", "0")
	a.agent(a.here, "users", "users-here", "http")
	a.agent(a.east, "users", "users-east", "http")
	a.agent(a.east, "payments", "payments-east", "grpc", "--ingress-port", "0", "--egress-port", "0")
	a.agent(a.here, "web", "web", "http", "--ingress-port", "0", "--egress-port", "0", "--port", "8081")
	a.agent(a.here, "reports", "reports", "http", "--no-envoy", "--port", "8082")

	client := a.clients[a.here]
	byEdge := func() (string, error) { return ask(client, "http://"+hereIP+":8000/", "shop.example.com") }
	bySidecar := func() (string, error) { return ask(client, "http://127.0.0.1:8081/call/users", "web") }
	a.want("the edge stays in its network", "users-here", byEdge)
	a.want("the sidecar stays in its network", "users-here", bySidecar)
	a.want("a gRPC program uses the gateway", "payments-east", func() (string, error) {
		return ask(client, "http://127.0.0.1:8082/grpc/payments", "reports")
	})

	traffic := startRequests(t, byEdge)
	traffic.sends(t, 100)
	order := "/v1/instances/users/" + overlapping + ":9211/maintenance"
	if err := a.api(http.MethodPut, order, `{"reason": "new disk"}`); err != nil {
		t.Fatal(err)
	}
	a.want("the edge uses the gateway", "users-east", byEdge)
	a.want("the sidecar uses the gateway", "users-east", bySidecar)
	if err := a.api(http.MethodDelete, order, ""); err != nil {
		t.Fatal(err)
	}
	a.want("the edge returns to its network", "users-here", byEdge)
	a.want("the sidecar returns to its network", "users-here", bySidecar)
	traffic.mustNotFail(t)
}
