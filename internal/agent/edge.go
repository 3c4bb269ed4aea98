package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// EdgeOptions is what an agent for an edge needs. Edge, Server and XDS are required.
type EdgeOptions struct {
	Edge   mesh.EdgeName
	Server string // URL of a server's HTTP port
	XDS    string // host:port of a server's gRPC port
	Zone   mesh.ZoneName

	ListenerPorts map[string]int // by listener, other than the document's; 0 is any free port
	AdminPort     int            // of Envoy, on 127.0.0.1; 0 is any free port
	Proxy         supervisor.EnvoyOptions

	DrainTimeout time.Duration // for requests in flight; 0 is none
	Hurry        <-chan struct{}
	Stderr       io.Writer // Envoy's
	Log          *slog.Logger
}

// RunEdge runs an Envoy for an Edge until ctx ends, then lets requests in flight finish and stops it.
// When no server answers, Envoy starts all the same and follows when one does.
func RunEdge(ctx context.Context, o EdgeOptions) error {
	o.Log, o.Stderr = orSilent(o.Log), orDiscard(o.Stderr)
	var err error
	if o.Proxy.Path, err = o.Proxy.Find(ctx, o.Log); err != nil {
		return err
	}
	server, err := client.New(o.Server)
	if err != nil {
		return err
	}
	defer server.Close()
	e := &edge{EdgeOptions: o, server: server, envoy: newFuture[*supervisor.Envoy](), ready: make(chan struct{}, 1)}
	all := parts{
		{name: "description", run: e.describe},
		{name: "envoy", run: e.once(func(ctx context.Context, envoy *supervisor.Envoy) error { return envoy.Run(ctx) })},
		{name: "drain", end: e.drain},
		{name: "verdict", run: e.once(e.followVerdict)},
	}
	return all.run(ctx, func() (context.Context, context.CancelFunc) { return patience(o.DrainTimeout, o.Hurry, nil) })
}

// edge is what the parts of the agent of an edge share. Its values are set once.
type edge struct {
	EdgeOptions
	server *client.Client
	envoy  *future[*supervisor.Envoy]
	ready  chan struct{} // one slot: Envoy has become ready
}

// once runs a part as soon as there is an Envoy.
func (e *edge) once(run func(context.Context, *supervisor.Envoy) error) func(context.Context) error {
	return func(ctx context.Context) error {
		envoy, ok := e.envoy.wait(ctx)
		if !ok {
			return nil
		}
		return run(ctx, envoy)
	}
}

// describe asks the server for the edge's document. Without an answer for headStart it takes an empty one.
func (e *edge) describe(ctx context.Context) error {
	descriptions, stop := startAsking(e.Log, func(ctx context.Context) (api.Edge, error) {
		return e.server.Edge(ctx, string(e.Edge))
	})
	defer stop()
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	var d description[api.Edge]
	select {
	case d = <-descriptions:
	case <-timer.C:
		e.Log.Warn("no server answers: starting Envoy, which has no listeners and routes until one does", "server", e.Server, "xds", e.XDS)
	case <-ctx.Done():
		return nil
	}
	if d.err != nil {
		return d.err
	}
	envoy, err := e.newEnvoy(d.what)
	if err == nil {
		e.envoy.set(envoy)
	}
	return err
}

// newEnvoy settles the ports and returns an Envoy that is not started.
func (e *edge) newEnvoy(document api.Edge) (*supervisor.Envoy, error) {
	chooser := newPortChooser()
	ports, inbound, err := e.listeners(document, chooser)
	if err != nil {
		return nil, err
	}
	admin := chooser.choose("admin", "--admin-port 0", loopback.String(), e.AdminPort)
	if err := chooser.err(); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host: %w", err)
	}
	return supervisor.NewEnvoy(supervisor.EnvoyConfig{
		EnvoyOptions: e.Proxy,
		Bootstrap: bootstrap.Options{
			Node:     mesh.Node{Role: mesh.EdgeProxy, Edge: e.Edge, Zone: e.Zone, Ports: mesh.Ports{Edge: ports}},
			Instance: fmt.Sprintf("%s:%d", host, admin),
			Server:   e.XDS, AdminPort: admin, CA: bootstrap.SystemCA(),
		},
		Inbound: inbound, Hurry: e.Hurry, Out: e.Stderr, Log: e.Log,
		Ready: e.setReady,
	})
}

// drain stops accepting connections and waits for what is in flight.
func (e *edge) drain(ctx context.Context) {
	e.Log.Info("stopping: closing the listeners, then draining")
	select {
	case <-e.envoy.known:
		e.envoy.value.Drain(ctx, true)
	default:
	}
}

// listeners chooses the ports that differ from the document's, and looks that every listener's is free.
// It returns the ports that were given, and where all listeners are reached on this machine.
func (o EdgeOptions) listeners(document api.Edge, chooser *portChooser) (map[string]int, []netip.AddrPort, error) {
	given, inbound := maps.Clone(o.ListenerPorts), []netip.AddrPort(nil)
	for _, l := range document.Listeners {
		want, ok := given[l.Name]
		if !ok {
			want = l.Port
		}
		listens := listenAddress(l.Address)
		port := chooser.choose(l.Name, portFlag("--listener-port", l.Name), listens.String(), want)
		if ok {
			given[l.Name] = port
		}
		reached := listens
		if listens.IsUnspecified() {
			reached = loopback
		}
		inbound = append(inbound, netip.AddrPortFrom(reached, uint16(port)))
		o.Log.Info("listener", "name", l.Name, "address", netip.AddrPortFrom(listens, uint16(port)))
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch known := slices.ContainsFunc(document.Listeners, func(l api.Listener) bool { return l.Name == name }); {
		case known:
			continue
		case document.Name != "":
			return nil, nil, fmt.Errorf("--listener-port %s: edge %q has no listener of that name: want one of %s", name, o.Edge, listenerNames(document.Listeners))
		}
		given[name] = chooser.choose(name, portFlag("--listener-port", name), "", given[name])
	}
	return given, inbound, nil
}

func listenerNames(listeners []api.Listener) string {
	var names []string
	for _, l := range listeners {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// listenAddress is where a listener with the document's address listens; without one, on every IPv4 address.
func listenAddress(address string) netip.Addr {
	if parsed, err := netip.ParseAddr(address); err == nil {
		return parsed
	}
	return netip.IPv4Unspecified()
}
