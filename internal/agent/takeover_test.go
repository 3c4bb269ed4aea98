//go:build linux

package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/handover"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestEndDuringAnUpgrade: an agent that was asked to end while its program was being replaced takes its application over,
// and then ends it in order: it does not return, which would kill the application.
func TestEndDuringAnUpgrade(t *testing.T) {
	app := exec.Command("/bin/sh", "-c", `trap "exit 5" TERM; echo up; while :; do sleep 0.1; done`)
	app.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := app.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-app.Process.Pid, syscall.SIGKILL) })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr("127.0.0.1")
	service := api.Service{Name: "users", Ports: []api.Port{{Name: "grpc", Protocol: "grpc"}}}
	content, err := json.Marshal(kept{
		State:  state.Agent{Service: &service, Address: address, Node: "n1"},
		Status: status.Agent{Described: "server"},
		Member: &keptMember{Application: program{PID: app.Process.Pid}, Manifest: &service},
	})
	if err != nil {
		t.Fatal(err)
	}
	asked, end := context.WithCancel(t.Context())
	end()
	code, err := Run(asked, Options{
		Service: "users", Command: []string{"/bin/sh"}, Proxyless: true, Address: address,
		HostOptions:  HostOptions{Server: "http://127.0.0.1:1", XDS: "127.0.0.1:1", Succession: &Succession{Inherited: &handover.Received{Content: content}}},
		AppPorts:     map[mesh.PortName]int{"": 50051},
		IngressPorts: map[mesh.PortName]int{"": 50051},
		DrainTimeout: DefaultDrainTimeout, StopTimeout: DefaultStopTimeout,
		Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if code != 5 || err != nil {
		t.Errorf("status %d, %v: want the application's status after SIGTERM, 5", code, err)
	}
}
