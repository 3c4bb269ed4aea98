// Package migrating tests that the programs on the page about moving from go-control-plane run.
package migrating

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

const page = "../../docs/migrating-from-go-control-plane.md"

// patience is how long a test waits for something that should happen immediately.
const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBlocksAreFromPrograms checks that each line of every block of Go on the page is in one of the example programs,
// all of which are built and run by tests.
func TestBlocksAreFromPrograms(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	programs := sources(t)
	blocks := regexp.MustCompile("(?ms)^( *)```go\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 {
		t.Fatalf("found %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		wanted := lines(block[2])
		if !anyContains(programs, wanted) {
			t.Errorf("this block is in no program:\n%s", block[2])
		}
	}
}

// sources returns the lines of every Go file of the examples.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = lines(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lines returns a text without its indentation, which differs on the page.
func lines(text string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		all.WriteString(strings.TrimSpace(line) + "\n")
	}
	return all.String()
}

func anyContains(texts map[string]string, part string) bool {
	for _, text := range texts {
		if strings.Contains("\n"+text, "\n"+part) {
			return true
		}
	}
	return false
}

// TestPrograms runs the programs of the page and compares them.
func TestPrograms(t *testing.T) {
	before, after := start(t, "before"), start(t, "after")
	for name, protocol := range map[string]client.Protocol{"delta": client.Delta, "state of the world": client.SotW} {
		t.Run("both serve the same in "+name, func(t *testing.T) {
			if diff := cmp.Diff(served(t, before, protocol), served(t, after, protocol), protocmp.Transform()); diff != "" {
				t.Errorf("resources (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("before sends what was refused again", func(t *testing.T) {
		c, updates := connect(t, before, client.SotW)
		c.Subscribe(xds.ClusterType, "users")
		for range 3 {
			refuse(t, updates, xds.ClusterType)
		}
	})
	t.Run("after does not", func(t *testing.T) {
		c, updates := connect(t, after, client.SotW)
		c.Subscribe(xds.ClusterType, "users")
		refuse(t, updates, xds.ClusterType)
		c.Subscribe(xds.EndpointType, "users") // its answer comes after everything else
		refuse(t, updates, xds.EndpointType)
	})
}

// start builds and runs a program, and returns its address.
func start(t *testing.T, program string) (address string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), program)
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = program
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	listener.Close()
	command := exec.Command(binary, "-xds", address)
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
			t.Logf("%s: %s", program, scanner.Text())
		}
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-said
		_ = command.Wait()
	})
	return address
}

// refuse rejects the next update, which must be of a type.
func refuse(t *testing.T, updates <-chan *client.Update, typeURL string) {
	t.Helper()
	select {
	case u := <-updates:
		if u.Type != typeURL {
			t.Fatalf("update is of %s, want %s", u.Type, typeURL)
		}
		u.Reject(errors.New("not this"))
	case <-time.After(patience):
		t.Fatalf("no update of %s", typeURL)
	}
}

// served returns what a client of the node cluster "web" receives.
func served(t *testing.T, address string, p client.Protocol) map[string]proto.Message {
	t.Helper()
	c, updates := connect(t, address, p)
	c.Subscribe(xds.ClusterType, "users") // by name: before does not answer "*" in state-of-the-world
	c.Subscribe(xds.EndpointType, "users")
	got := map[string]proto.Message{}
	for len(got) < 2 {
		select {
		case u := <-updates:
			u.Accept()
			for _, r := range u.Resources {
				var err error
				if got[u.Type], err = r.Body.UnmarshalNew(); err != nil {
					t.Fatal(err)
				}
			}
		case <-time.After(patience):
			t.Fatalf("sent only %v", got)
		}
	}
	return got
}

// connect runs a client of the node cluster "web". The test answers its updates.
func connect(t *testing.T, address string, p client.Protocol) (*client.Client, <-chan *client.Update) {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan *client.Update, 100)
	c := client.New(connection, client.Options{
		Node: &corev3.Node{Id: "one", Cluster: "web"}, Protocol: p, MinRetry: 10 * time.Millisecond, MaxRetry: 100 * time.Millisecond,
		Handle: func(u *client.Update) { updates <- u },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		connection.Close()
	})
	return c, updates
}
