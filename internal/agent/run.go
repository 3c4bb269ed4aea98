package agent

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
)

// Run runs one instance until its application ends or ctx does, and returns the application's exit
// status as a shell tells it (128 + n after signal n). After an error nothing is left running, and the
// status is 1. When ctx ends before the application was started, the status is 0.
func Run(ctx context.Context, o Options) (status int, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return 1, err
	}
	a, err := prepare(ctx, o)
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 1, err
	}
	defer a.close()
	return a.run(ctx)
}

// agent is one instance. Only the goroutine of run changes it.
type agent struct {
	Options
	chooser  *portChooser
	server   *client.Client
	registry *http.Client

	// Since a server has described the service:
	plan     *plan // nil before
	lease    *lease
	watch    *watch
	health   *healthCheck
	follower *follower
	proxy    *proxy // nil for a proxyless application
	state    *conditions

	stranger              string // what was at the application's ports before it was started; "" is nothing
	stopProxy, stopChecks func() // wait for the end of what they stop; never nil
}

// prepare settles and looks at everything that can be wrong without a server.
func prepare(ctx context.Context, o Options) (*agent, error) {
	if err := process.Find(o.Command[0]); err != nil {
		return nil, err
	}
	server, err := client.New(o.Server)
	if err != nil {
		return nil, err
	}
	if !o.Proxyless {
		if o.Proxy.Path, err = o.Proxy.find(ctx, o.Log); err != nil {
			return nil, err
		}
	}
	chooser := newPortChooser()
	if o, err = o.choosePorts(chooser); err != nil {
		return nil, err
	}
	if o, err = o.chooseAddress(); err != nil {
		return nil, err
	}
	return &agent{
		Options: o, chooser: chooser, server: server,
		registry:  &http.Client{Transport: &http.Transport{}},
		stopProxy: func() {}, stopChecks: func() {},
	}, nil
}

// close removes what prepare left behind.
func (a *agent) close() {
	a.server.Close()
	a.registry.CloseIdleConnections()
	if a.proxy != nil {
		a.proxy.admin.close()
	}
}

// newProxy returns the instance's Envoy, not started.
func (a *agent) newProxy() (*proxy, error) {
	return newProxy(a.Proxy, bootstrap.Options{
		Node: a.plan.node, Instance: a.plan.instance.Address.String(),
		Server: a.XDS, AdminPort: a.AdminPort, CA: bootstrap.SystemCA(),
	}, a.plan.inbound, a.Stderr, a.Log)
}

// grpcBootstrap is what a proxyless application starts from. The node must be told apart from others even
// before a server has said anything, so it is named after this process.
func (a *agent) grpcBootstrap() (string, error) {
	content, err := bootstrap.GRPC(bootstrap.Options{
		Node:     mesh.Node{Role: mesh.Proxyless, Service: a.Service, Zone: a.Zone},
		Instance: fmt.Sprintf("%s-%d", a.Address, os.Getpid()), Server: a.XDS,
	})
	return string(content), err
}
