package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/test/machine"
)

// patience is how long a test waits for something that should happen immediately.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEnvoy starts an Envoy as the documentation says. It forwards to the given addresses, and to others once they
// are typed.
func TestEnvoy(t *testing.T) {
	path := machine.Envoy(t)
	first, second := upstream(t, "first"), upstream(t, "second")
	listen := fmt.Sprintf("127.0.0.1:%d", machine.FreePorts(t, 1)[0])
	typed, lines := io.Pipe()
	xds := start(t, typed, "-xds", "127.0.0.1:0", "-listen", listen, first)
	startEnvoy(t, path, xds)

	expect(t, listen, "first")
	fmt.Fprintln(lines, "not an address") // changes nothing
	fmt.Fprintln(lines, second)
	expect(t, listen, "second")
}

// start runs the program and returns the address on which it is ready.
func start(t *testing.T, typed *io.PipeReader, args ...string) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, args, typed, stderr) }()
	t.Cleanup(func() {
		cancel()
		typed.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stderr.Close()
	})
	output := bufio.NewScanner(read)
	for output.Scan() {
		if ready, found := strings.CutPrefix(output.Text(), "ready "); found {
			go func() { _, _ = io.Copy(io.Discard, read) }()
			return ready
		}
	}
	t.Fatal("ended before it was ready")
	return ""
}

func startEnvoy(t *testing.T, path, server string) {
	t.Helper()
	text, err := os.ReadFile("bootstrap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("port_value: 18000", "port_value: "+port, "port_value: 9901", "port_value: 0").Replace(string(text))
	log := filepath.Join(t.TempDir(), "log")
	command := exec.Command(path, "--config-yaml", config, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning", "--log-path", log)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log)
			t.Logf("Envoy said:\n%s", said)
		}
	})
}

// expect waits until a request to an address gets that answer.
func expect(t *testing.T, address, want string) {
	t.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := client.Get("http://" + address)
		if err != nil {
			last = err.Error()
			continue
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if last = string(text); err == nil && last == want {
			return
		}
	}
	t.Fatalf("%s answers %q, want %q", address, last, want)
}

// upstream is an application that answers every request with a text.
func upstream(t *testing.T, text string) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestBadArguments(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"no address": {[]string{"localhost"}, `address "localhost": not an ip:port`},
		"no port":    {[]string{"-listen", "127.0.0.1"}, `address "127.0.0.1": not an ip:port`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), test.args, strings.NewReader(""), io.Discard)
			if err == nil || err.Error() != test.want {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}
