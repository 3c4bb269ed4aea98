package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// startTimeout bounds the start of each part on a busy machine.
const startTimeout = 30 * time.Second

// drainTimeout is how long the demo's instances may take to drain.
const drainTimeout = "10s"

// run starts a command of doyen. Its output goes to a log file of its own, except stdout if that is given.
func (s *stage) run(name string, stdout io.Writer, env []string, args ...string) (*process.Process, error) {
	log, err := os.OpenFile(s.file("logs/"+name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	if stdout == nil {
		stdout = log
	}
	return process.Start(process.Command{Path: s.Program, Args: args, Env: s.environment(env), Stdout: stdout, Stderr: log})
}

// environment returns the demo's own environment without the variables that doyen reads, and with a folder for
// temporary files that is removed at the end, even if a process that used it was killed.
func (s *stage) environment(more []string) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "DOYEN_") && !strings.HasPrefix(e, "GRPC_XDS_BOOTSTRAP") {
			env = append(env, e)
		}
	}
	return append(append(env, "TMPDIR="+s.file("tmp"), "XDG_STATE_HOME="+s.file("state")), more...)
}

// startServer starts the server and waits until it answers; took is how long that was.
func (s *stage) startServer(ctx context.Context) (took time.Duration, err error) {
	started := time.Now()
	s.server, err = s.run("server", nil, nil, "server", "--config", s.documents.dir, "--data", s.file("data"),
		"--grpc", loopback(s.at.grpc), "--http", loopback(s.at.http), "--dns", loopback(s.at.dns))
	if err != nil {
		return 0, err
	}
	err = eventually(ctx, startTimeout, "the server answers", func() error {
		if err := s.ended("server", s.server); err != nil {
			return err
		}
		_, err := s.client.Status(ctx)
		return err
	})
	return time.Since(started), err
}

// ended returns an error with the last lines of its log if a process has ended.
func (s *stage) ended(name string, p *process.Process) error {
	select {
	case <-p.Done():
	default:
		return nil
	}
	text, err := os.ReadFile(s.file("logs/" + name + ".log"))
	if err != nil {
		return err
	}
	const most = 1000
	return fmt.Errorf("%s ended with status %d: %s", name, p.Code(), text[max(0, len(text)-most):])
}

func (s *stage) startLedger() error {
	p, err := s.run("ledger", nil, []string{"PORT=" + strconv.Itoa(s.at.ledger)}, "demo-app", "ledger")
	if err == nil {
		s.others = append(s.others, p)
	}
	return err
}

func (s *stage) startEdge() error {
	admin, err := s.ports.any()
	if err != nil {
		return err
	}
	p, err := s.run("edge", nil, nil, "edge", "--edge", "public", "--server", s.serverURL(), "--xds", loopback(s.at.grpc),
		"--listener-port", "http="+strconv.Itoa(s.at.edge), "--admin-port", strconv.Itoa(admin),
		"--envoy", s.Envoy, "--envoy-concurrency", "1")
	if err == nil {
		s.others, s.edge = append(s.others, p), &proxied{"edge", admin}
	}
	return err
}

// startInstance starts an instance behind an Envoy and does not wait for it.
func (s *stage) startInstance(service, name string) (*instance, error) {
	var chosen [5]int
	for i := range chosen {
		var err error
		if chosen[i], err = s.ports.any(); err != nil {
			return nil, err
		}
	}
	app, ingress, egress, admin, tcp := chosen[0], chosen[1], chosen[2], chosen[3], chosen[4]
	args := append(s.agentArgs(service, app), "--ingress-port", strconv.Itoa(ingress), "--egress-port", strconv.Itoa(egress),
		"--admin-port", strconv.Itoa(admin), "--envoy", s.Envoy, "--envoy-concurrency", "1")
	if service == "orders" {
		args = append(args, "--tcp-port", "ledger="+strconv.Itoa(tcp))
	}
	i := &instance{name: name, service: service, address: loopback(ingress), proxy: &proxied{name, admin}}
	return i, s.add(i, args)
}

// startProxyless starts an instance without Envoy.
func (s *stage) startProxyless(service, name string) (*instance, error) {
	app, err := s.ports.any()
	if err != nil {
		return nil, err
	}
	i := &instance{name: name, service: service, address: loopback(app)}
	return i, s.add(i, append(s.agentArgs(service, app), "--no-envoy"))
}

func (s *stage) add(i *instance, args []string) (err error) {
	i.args = append(args, "--", s.Program, "demo-app", i.service, i.name)
	if err = s.start(i); err == nil {
		s.instances = append(s.instances, i)
	}
	return err
}

// start starts the agent of an instance, also again after its end.
func (s *stage) start(i *instance) (err error) {
	i.agent, err = s.run(i.name, nil, nil, i.args...)
	return err
}

func (s *stage) agentArgs(service string, app int) []string {
	return []string{
		"agent", "--service", service, "--port", strconv.Itoa(app), "--address", "127.0.0.1",
		"--server", s.serverURL(), "--xds", loopback(s.at.grpc), "--drain-timeout", drainTimeout,
	}
}

// startDesk starts the gRPC client, whose requests are a path of their own.
func (s *stage) startDesk(figures io.Writer) error {
	app, err := s.ports.any()
	if err != nil {
		return err
	}
	args := append(s.agentArgs("desk", app), "--no-envoy", "--", s.Program, "demo-app", "desk", "desk-1")
	s.desk, err = s.run("desk-1", figures, nil, args...)
	return err
}

// checkedIn waits until instances are healthy in the registry.
func (s *stage) checkedIn(ctx context.Context, instances ...*instance) error {
	for _, i := range instances {
		err := eventually(ctx, startTimeout, i.name+" checks in", func() error {
			if err := s.ended(i.name, i.agent); err != nil {
				return err
			}
			state, err := s.state(ctx, i)
			if err == nil && state != registry.Healthy {
				err = fmt.Errorf("it is %q", state)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// state returns the state of the instance in the registry, "" if it is not registered.
func (s *stage) state(ctx context.Context, i *instance) (registry.State, error) {
	answer, err := s.registry.Instances(ctx, mesh.ServiceName(i.service))
	if err != nil {
		return "", err
	}
	for _, in := range answer.Instances {
		if in.Address.String() == i.address {
			return in.State, nil
		}
	}
	return "", nil
}

// inSync waits until every connected proxy has acknowledged all its configuration, and returns the number of proxies.
func (s *stage) inSync(ctx context.Context, atLeast int) (connected int, err error) {
	err = eventually(ctx, startTimeout, "all proxies are in sync", func() error {
		status, err := s.client.Status(ctx)
		if err != nil {
			return err
		}
		connected = 0
		for _, p := range status.Proxies {
			if !p.Connected {
				continue
			}
			connected++
			if !p.InSync {
				return fmt.Errorf("%s: %s", p.Node, p.Why)
			}
		}
		if connected < atLeast {
			return fmt.Errorf("%d of %d are connected", connected, atLeast)
		}
		return nil
	})
	return connected, err
}
