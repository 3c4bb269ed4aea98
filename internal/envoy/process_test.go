package envoy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// patience is how long these tests wait for a condition before they fail.
const patience = 20 * time.Second

// runStatic starts a real Envoy with the complete static file of node, and waits until it is ready.
func runStatic(t *testing.T, documents string, node mesh.Node, ca string, sets ...ir.EndpointSet) {
	t.Helper()
	binary := machine.Envoy(t)
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(documents)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: node})
	if err != nil {
		t.Fatal(err)
	}
	admin := machine.FreePorts(t, 1)[0]
	text, err := bootstrap.Static(bootstrap.Options{Node: node, Instance: "test", AdminPort: admin, CA: ca}, p, sets)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	writeFile(t, file, text)
	startEnvoy(t, exec.Command(binary, "-c", file, "-l", "warning", "--use-dynamic-base-id", "--concurrency", "1"))
	ready := fmt.Sprintf("http://127.0.0.1:%d/ready", admin)
	waitFor(t, "Envoy is ready", func() error {
		_, err := get(http.DefaultClient, ready, nil)
		return err
	})
}

// startEnvoy runs cmd until the test ends. It shows the output if the test fails.
func startEnvoy(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said machine.Output
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Envoy: %s", said.String())
		}
	})
}

// waitFor calls check repeatedly until it returns no error.
func waitFor(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// An answer is the response to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// get requests url, with host in the Host header unless it is empty. Any status but 200 is an error.
func get(client *http.Client, url string, header http.Header) (answer, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	a := answer{response.StatusCode, response.Header, string(body)}
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", a.status, strings.TrimSpace(a.body))
	}
	return a, err
}

// hostHeader returns a header with only a host.
func hostHeader(host string) http.Header { return http.Header{"Host": {host}} }

// addressOf returns the host and port of a URL or of "host:port".
func addressOf(t *testing.T, url string) netip.AddrPort {
	t.Helper()
	_, address, found := strings.Cut(url, "://")
	if !found {
		address = url
	}
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// endpointsOf returns the endpoints of a service's main port at the given URLs.
func endpointsOf(t *testing.T, service mesh.ServiceName, urls ...string) ir.EndpointSet {
	t.Helper()
	set := ir.EndpointSet{Target: ir.Target{Kind: ir.Service, Name: service}}
	for _, url := range urls {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{Address: addressOf(t, url), Weight: 100})
	}
	return set
}
