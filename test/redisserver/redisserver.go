// Package redisserver runs real Redis servers for tests: one node, with Sentinels, or as a Cluster.
package redisserver

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/test/machine"
)

// patience is how long a server may take to do what it is told.
const patience = 30 * time.Second

// Server is a redis-server that ends with its test.
type Server struct {
	Port int

	t         testing.TB
	dir       string
	arguments []string
	process   *exec.Cmd
}

// Start starts a server on a free port of loopback, with options such as "--requirepass", "secret". It keeps
// nothing on disk.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	port := machine.FreePorts(t, 1)[0]
	return startOn(t, port, append([]string{"--port", fmt.Sprint(port)}, options...))
}

// StartTLS starts a server that speaks TLS only, with a certificate, its key, and the authority of the
// certificates that it wants of clients.
func StartTLS(t testing.TB, certificate, key, authority string) *Server {
	t.Helper()
	port := machine.FreePorts(t, 1)[0]
	return startOn(t, port, []string{"--port", "0", "--tls-port", fmt.Sprint(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority})
}

func startOn(t testing.TB, port int, options []string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		machine.Missing(t, "there is no redis-server: let make test bring one, or install Debian's package")
	}
	s := &Server{Port: port, t: t, dir: t.TempDir()}
	s.arguments = append([]string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir, "--daemonize", "no"}, options...)
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// Address is where it listens.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Dir is its folder.
func (s *Server) Dir() string { return s.dir }

// Restart starts it again, with nothing in it. It waits until the server listens.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.process = exec.Command("redis-server", s.arguments...)
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	wait(s.t, "redis-server listens", func() bool {
		conn, err := net.Dial("tcp", s.Address())
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// Kill ends it at once.
func (s *Server) Kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// Pause stops it, so that it accepts connections and answers nothing, until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Do runs a command on one line, such as "FLUSHALL", and returns the first line of the answer. It speaks
// for itself rather than through a library that the product uses.
func (s *Server) Do(command string) string {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "%s\r\n", command)
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	if err == nil && strings.HasPrefix(line, "$") && !strings.HasPrefix(line, "$-") {
		line, err = reader.ReadString('\n')
	}
	if err != nil || strings.HasPrefix(line, "-") {
		s.t.Fatalf("redis: %s: %s %v", command, line, err)
	}
	return strings.TrimSpace(line)
}

// Try runs a command of which the answer does not matter.
func (s *Server) Try(command string) {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "%s\r\n", command)
	_, _ = bufio.NewReader(conn).ReadString('\n')
}

// StartReplicated starts a master, a replica, and a Sentinel that watches them under the name "mesh" and
// needs no other to agree. The lines are added to the Sentinel's configuration.
func StartReplicated(t testing.TB, lines ...string) (master, replica, sentinel *Server) {
	t.Helper()
	master = Start(t)
	replica = Start(t, "--replicaof", "127.0.0.1 "+fmt.Sprint(master.Port))
	wait(t, "the replica is in sync", func() bool { return infoHas(replica, "master_link_status:up") })
	port := machine.FreePorts(t, 1)[0]
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %d\nsentinel monitor mesh 127.0.0.1 %d 1\nsentinel down-after-milliseconds mesh 1000\nsentinel failover-timeout mesh 5000\n", port, master.Port)
	text += strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel = &Server{Port: port, t: t, dir: t.TempDir(), arguments: []string{file, "--sentinel", "--bind", "127.0.0.1"}}
	t.Cleanup(sentinel.Kill)
	sentinel.Restart()
	wait(t, "the Sentinel knows the replica", func() bool {
		known, err := os.ReadFile(file) // it writes what it knows
		return err == nil && strings.Contains(string(known), "known-replica mesh")
	})
	return master, replica, sentinel
}

// infoHas reports whether the answer to INFO has a text.
func infoHas(s *Server, text string) bool {
	conn, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "INFO\r\nQUIT\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	return false
}

// StartCluster starts a Cluster of three masters.
func StartCluster(t testing.TB) []*Server {
	t.Helper()
	var nodes []*Server
	for range 3 {
		ports := machine.FreePorts(t, 2)
		nodes = append(nodes, startOn(t, ports[0], []string{"--port", fmt.Sprint(ports[0]), "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(ports[1]), "--cluster-config-file", "nodes.conf"}))
		nodes[0].Do(fmt.Sprintf("CLUSTER MEET 127.0.0.1 %d %d", ports[0], ports[1]))
	}
	for n, node := range nodes {
		node.Do(fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", n*5461, min(16383, (n+1)*5461-1+n/2)))
	}
	for _, node := range nodes {
		wait(t, "the Cluster is whole", func() bool { return clusterIsWhole(node) })
	}
	return nodes
}

func clusterIsWhole(s *Server) bool {
	conn, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprint(conn, "CLUSTER INFO\r\nQUIT\r\n")
	ok, all := false, false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		ok = ok || strings.Contains(lines.Text(), "cluster_state:ok")
		all = all || strings.Contains(lines.Text(), "cluster_known_nodes:3")
	}
	return ok && all
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
