package conformance

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/xds"

	"github.com/doyen-mesh/doyen/test/machine"
)

// language is a gRPC implementation with an xDS client of its own.
type language struct {
	name string
	tool string // that must be installed, on PATH
	need string // that must be installed, in the clients' folder
	args func(clients string) []string
}

// languages are all of them except Go, whose client runs in the test itself.
var languages = []language{
	{"python", "python3", "python/grpc", func(string) []string { return []string{"python3", "clients/python/client.py"} }},
	{"node", "node", "node/client.js", func(dir string) []string { return []string{"node", filepath.Join(dir, "node/client.js")} }},
	{"java", "java", "java/classes", func(dir string) []string {
		return []string{"java", "-cp", filepath.Join(dir, "java/classes") + ":" + filepath.Join(dir, "java/lib/*"), "Client"}
	}},
}

// grpcClient is a channel to xds:///users of some language.
type grpcClient func(within time.Duration) string

// eachLanguage runs a test with a client of each implementation.
func eachLanguage(t *testing.T, test func(t *testing.T, start func(server string) grpcClient)) {
	t.Run("go", func(t *testing.T) {
		test(t, func(server string) grpcClient { return startGo(t, server) })
	})
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			chosen(t, false)
			test(t, func(server string) grpcClient { return l.start(t, server) })
		})
	}
}

const target = "xds:///users"

// grpcBootstrap returns a bootstrap for all of them: grpc-js requires a locality.
func grpcBootstrap(server string) []byte {
	return fmt.Appendf(nil, `{
		"xds_servers": [{"server_uri": %q, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}],
		"node": {"id": %q, "locality": {}}
	}`, server, node)
}

func startGo(t *testing.T, server string) grpcClient {
	t.Helper()
	resolver, err := xds.NewXDSResolverWithConfigForTesting(grpcBootstrap(server))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(target, grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(within time.Duration) string { return callOnce(t.Context(), conn, within) }
}

// start runs the program of a language.
func (l language) start(t *testing.T, server string) grpcClient {
	t.Helper()
	clients, err := filepath.Abs("../../.cache/clients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(l.tool); err != nil {
		machine.Missing(t, fmt.Sprintf("no %s on PATH", l.tool))
	}
	if _, err := os.Stat(filepath.Join(clients, l.need)); err != nil {
		machine.Missing(t, fmt.Sprintf("%v: run test/conformance/clients/install.sh .cache/clients", err))
	}
	config := filepath.Join(t.TempDir(), "bootstrap.json")
	if err := os.WriteFile(config, grpcBootstrap(server), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(l.args(clients), target)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GRPC_XDS_BOOTSTRAP="+config, "PYTHONPATH="+filepath.Join(clients, "python"))
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(output)
	return func(within time.Duration) string {
		if _, err := fmt.Fprintf(input, "call %d\n", max(1, int(within.Seconds()))); err != nil {
			return "error " + err.Error()
		}
		if !lines.Scan() {
			return fmt.Sprintf("error the client ended: %v", cmp.Or(lines.Err(), io.EOF))
		}
		return lines.Text()
	}
}
