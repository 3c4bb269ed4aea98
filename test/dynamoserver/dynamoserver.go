// Package dynamoserver runs real servers that speak DynamoDB's protocol, for tests: dynalite, which keeps its tables in
// memory. Amazon's DynamoDB Local is not used, because it has no open-source licence.
package dynamoserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/test/machine"
)

// patience is how long a server may take to do what it is told.
const patience = 30 * time.Second

// Server is a server that ends with its test.
type Server struct {
	t       testing.TB
	port    int
	program string
	dir     string
	process *exec.Cmd
}

// Start starts a server without tables on a free port of loopback.
func Start(t testing.TB) *Server {
	t.Helper()
	program := machine.Cached(t, filepath.Join("dynalite", "node_modules", "dynalite", "cli.js"))
	if _, err := exec.LookPath("node"); err != nil || program == "" {
		machine.Missing(t, "there is no dynalite: let make test bring one")
	}
	s := &Server{t: t, port: machine.FreePorts(t, 1)[0], program: program, dir: t.TempDir()}
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// Address is where it listens.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Restart starts it again, without tables. It waits until the server listens.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.process = exec.Command("node", s.program, "--host", "127.0.0.1", "--port", strconv.Itoa(s.port), "--createTableMs", "100", "--deleteTableMs", "100")
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.Address())
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("dynalite does not listen within %v", patience)
		}
	}
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

// Do makes a call, such as DeleteTable with {"TableName": "doyen"}. It speaks for itself rather than through a library
// that the product uses.
func (s *Server) Do(call, body string) string {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.Address(), bytes.NewBufferString(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+call)
	request.Header.Set("X-Amz-Date", "20260101T000000Z")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=b")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("dynalite: %s: %s %s %v", call, response.Status, answer, err)
	}
	return string(answer)
}
