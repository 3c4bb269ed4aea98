//go:build linux

package capture

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/test/chaos/lab"
	"github.com/doyen-mesh/doyen/test/machine"
)

// patience limits every wait.
const patience = 60 * time.Second

// outside is the address of this test in the lab. What listens there is no part of the mesh.
const outside = "10.77.0.1"

// documents are those of the mesh. The external has the name by which its host is known in DNS.
var documents = map[string]string{
	"users.yaml": "kind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\nhealth: /\n",
	"cache.yaml": "kind: Service\nname: cache\nports: [6379/tcp]\n",
	"store.yaml": "kind: External\nname: store\nprotocol: tcp\nhost: store\nport: 5432\n",
	"web.yaml":   "kind: Service\nname: web\ncalls: [users, cache, store]\n",
}

// mesh is a server and two services on one host, and a host for the program whose connections are captured.
type mesh struct {
	t      *testing.T
	home   *lab.Host // of the server and the services
	host   *lab.Host // of the captured program
	folder string    // documents
	state  string    // of the captured program's agent
}

// newMesh starts everything but the agent that captures.
func newMesh(t *testing.T) *mesh {
	t.Helper()
	if err := lab.Available(); err != nil {
		machine.Missing(t, err.Error())
	}
	for _, tool := range []string{"curl", "dig", "redis-server", "redis-cli", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, err.Error())
		}
	}
	m := &mesh{t: t, folder: t.TempDir(), state: filepath.Join(t.TempDir(), "web")}
	network, err := lab.New(t.Context())
	must(t, err)
	m.home, err = network.Host(t.Context(), "home")
	must(t, err)
	m.host, err = network.Host(t.Context(), "web")
	must(t, err)
	// An application connects by IPv6 only if its host has a route.
	for _, line := range []string{"address add fd00:77::3/64 dev eth0 nodad", "route add default via fd00:77::1"} {
		must(t, command("ip", append([]string{"-n", "web", "-6"}, strings.Fields(line)...)...).Run())
	}
	serveOutside(t)
	for name, text := range documents {
		m.write(name, text)
	}
	m.start(m.home, "server", nil, "server", "--config", m.folder, "--data", t.TempDir(), "--grpc", "0.0.0.0:18000", "--http", "0.0.0.0:18001")
	self, err := os.Executable()
	must(t, err)
	m.agent(m.home, "users", []string{appVariable + "=users"}, "--port", "8080", "--port", "admin=8081", "--", self)
	m.agent(m.home, "cache", nil, "--port", "6379", "--egress-port", "0", "--ingress-port", "9311", "--admin-port", "0",
		"--", "redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	return m
}

// agent starts the agent of an instance.
func (m *mesh) agent(h *lab.Host, service string, env []string, args ...string) *program {
	m.t.Helper()
	state := filepath.Join(m.t.TempDir(), service)
	all := append([]string{
		"agent", "--service", service, "--server", "http://" + m.home.IP.String() + ":18001", "--xds", m.home.IP.String() + ":18000",
		"--address", h.IP.String(), "--envoy", machine.Envoy(m.t), "--envoy-concurrency", "1", "--state-dir", state, "--drain-timeout", "2s",
	}, args...)
	return m.start(h, service, env, all...)
}

// capture starts the agent of the captured program, which does nothing itself, and waits until it captures.
func (m *mesh) capture() *program {
	m.t.Helper()
	p := m.agent(m.host, "web", nil, "--state-dir", m.state, "--capture", "--", "sleep", "1000")
	eventually(m.t, "connections are captured", func() string {
		if !strings.Contains(p.output.String(), "application started") {
			return p.output.String()
		}
		return ""
	})
	return p
}

func (m *mesh) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.folder, name)
	must(m.t, os.WriteFile(path+"~", []byte(text), 0o644))
	must(m.t, os.Rename(path+"~", path))
}

// program is a doyen that runs on a host.
type program struct {
	*process.Process
	output *machine.Output
}

func (m *mesh) start(h *lab.Host, name string, env []string, args ...string) *program {
	m.t.Helper()
	p := &program{output: &machine.Output{}}
	var err error
	p.Process, err = h.Start(process.Command{Path: doyen, Args: args, Env: append(os.Environ(), env...), Stdout: p.output, Stderr: p.output})
	must(m.t, err)
	m.t.Cleanup(func() {
		p.Stop(5*time.Second, nil)
		if m.t.Failed() {
			m.t.Logf("--- output of %s\n%s", name, p.output.Tail(4000))
		}
	})
	return p
}

// run runs a command on the captured program's host, and returns what it prints, or "failed: " and that.
func (m *mesh) run(line string) string { return m.runArgs(strings.Fields(line)...) }

func (m *mesh) runArgs(args ...string) string {
	out, err := command("ip", append([]string{"netns", "exec", m.host.Name}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("failed: %s: %v", strings.TrimSpace(string(out)), err)
	}
	return strings.TrimSpace(string(out))
}

// prints waits until a command prints something.
func (m *mesh) prints(want, line string) {
	m.t.Helper()
	eventually(m.t, line+" prints "+want, func() string {
		if got := m.run(line); got != want {
			return got
		}
		return ""
	})
}

// redirects returns the rules of the captured program's host.
func (m *mesh) redirects() string { return m.run("nft list ruleset") }

// serveOutside serves what is no part of the mesh: DNS, HTTP and a database.
func serveOutside(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	must(t, os.WriteFile(file, []byte("nameserver "+outside+"\noptions timeout:1 attempts:1\n"), 0o644))
	must(t, syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""))
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		server := &dns.Server{Addr: outside + ":53", Net: network, Handler: dns.HandlerFunc(answerOutside), NotifyStartedFunc: func() { close(ready) }}
		go func() { _ = server.ListenAndServe() }()
		<-ready
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	web, err := net.Listen("tcp", outside+":80")
	must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "outside, asked by %s with %d headers", host, len(r.Header))
	})}
	go func() { _ = server.Serve(web) }()
	t.Cleanup(func() { _ = server.Close() })
	database, err := net.Listen("tcp", outside+":5432")
	must(t, err)
	go func() {
		for {
			conn, err := database.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, "the store greets first")
			conn.Close()
		}
	}()
	t.Cleanup(func() { _ = database.Close() })
}

// answerOutside knows two names.
func answerOutside(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	name := query.Question[0].Name
	switch {
	case name != "store." && name != "other.example.":
		reply.Rcode = dns.RcodeNameError
	case query.Question[0].Qtype == dns.TypeA:
		reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(outside)}}
	}
	_ = w.WriteMsg(reply)
}

// command is a command that does not hang.
func command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	cmd := exec.CommandContext(ctx, name, args...)
	context.AfterFunc(ctx, cancel)
	return cmd
}

// eventually waits until check returns "", and fails the test with the last result at the deadline.
func eventually(t *testing.T, what string, check func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // between two looks at the condition
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, patience, why)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
