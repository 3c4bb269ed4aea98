package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/doyen-mesh/doyen/bench/server"
)

// envoy is a running Envoy: the sidecar of one instance of the calling service.
type envoy struct {
	admin   string // URL of its admin pages
	client  http.Client
	command *exec.Cmd
}

// startEnvoy starts one with the bootstrap that doyen prints, with ports of its own.
func startEnvoy(ctx context.Context, o Options, s *server.Server, folder string, number int) (*envoy, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	admin, egress, ingress := ports[0], ports[1], ports[2]
	bootstrap, err := exec.CommandContext(ctx, o.Doyen, "bootstrap", "envoy", "--xds", s.GRPC,
		"--service", callingService, "--instance", fmt.Sprintf("host-%d", number), "--admin-port", strconv.Itoa(admin),
		"--egress-port", strconv.Itoa(egress), "--ingress-port", "http="+strconv.Itoa(ingress)).Output()
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	path := filepath.Join(folder, fmt.Sprintf("envoy-%d.yaml", number))
	if err := os.WriteFile(path, bootstrap, 0o644); err != nil {
		return nil, err
	}
	e := &envoy{admin: fmt.Sprintf("http://127.0.0.1:%d", admin)}
	e.command = exec.CommandContext(ctx, o.Envoy, "-c", path, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id")
	return e, e.command.Start()
}

// lists says whether the admin page of clusters has text.
func (e *envoy) lists(ctx context.Context, text string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.admin+"/clusters", nil)
	if err != nil {
		return false, err
	}
	answer, err := e.client.Do(request)
	if err != nil {
		return false, err
	}
	page, err := io.ReadAll(answer.Body)
	if closed := answer.Body.Close(); err == nil {
		err = closed
	}
	return bytes.Contains(page, []byte(text)), err
}

// pageInterval is the time between two requests for an admin page. More frequent requests would slow down twenty Envoys
// on two cores.
const pageInterval = 3 * time.Millisecond

// await returns when the admin page has text; errors are waited out, because an Envoy that starts
// does not answer yet.
func (e *envoy) await(ctx context.Context, text string) error {
	for {
		found, err := e.lists(ctx, text)
		if found {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has no %q: %w", e.admin, text, errors.Join(err, ctx.Err()))
		case <-time.After(pageInterval):
		}
	}
}

func (e *envoy) stop() error {
	e.client.CloseIdleConnections()
	if err := e.command.Process.Kill(); err != nil {
		return err
	}
	_ = e.command.Wait() // reports the kill
	return nil
}

// freePorts are ports of the loopback that nothing listens on.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
