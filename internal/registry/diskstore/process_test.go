package diskstore

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// childFolder is the variable that makes this test program a registry server with its
// store in that folder.
const childFolder = "DOYEN_TEST_REGISTRY_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		fmt.Fprintln(os.Stderr, serve(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// serve is the server process. It prints its address when it is ready.
func serve(dir string) error {
	store, err := Open(dir, nil)
	if err != nil {
		return err
	}
	store.slack, store.rewrite = 4<<10, 4<<10 // so that the log is often written anew
	r, err := registry.New(context.Background(), registry.Options{Store: store})
	if err != nil {
		return err
	}
	go func() { _ = r.Run(context.Background()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", api.Handler(api.Options{Registry: r}))
	mux.HandleFunc("/limit/{bytes}", func(w http.ResponseWriter, r *http.Request) {
		if err := limitFiles(r.PathValue("bytes")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	fmt.Println(listener.Addr())
	return http.Serve(listener, mux)
}

// limitFiles bounds the length of every file that this process writes: to whoever writes,
// that is a full disk.
func limitFiles(bytes string) error {
	n, err := strconv.ParseUint(bytes, 10, 64)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(n, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// child is a server process.
type child struct {
	*client.Client
	t    *testing.T
	base string
	http *http.Client
	cmd  *exec.Cmd
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("the server does not start: %s", said.String())
	}
	c := &child{t: t, base: "http://" + strings.TrimSpace(address), cmd: cmd, http: &http.Client{Transport: &http.Transport{}}}
	if c.Client, err = client.New(c.base, c.http); err != nil {
		t.Fatal(err)
	}
	return c
}

// kill ends the process with SIGKILL: it can do nothing about it.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	_ = c.cmd.Wait() // "signal: killed"
}

// forget closes the connections to a process that is gone.
func (c *child) forget() { c.http.CloseIdleConnections() }

func (c *child) limit(bytes int64) {
	c.t.Helper()
	answer, err := c.http.Post(fmt.Sprintf("%s/limit/%d", c.base, bytes), "", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		c.t.Fatalf("limit: %s", answer.Status)
	}
}
