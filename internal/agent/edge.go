package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/agent/servers"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
)

// EdgeOptions is what an agent for an edge needs. Edge is required.
type EdgeOptions struct {
	HostOptions
	Edge    mesh.EdgeName
	Zone    mesh.ZoneName
	Network mesh.NetworkName

	ListenerPorts map[string]int // by listener, other than the document's; 0 is any free port
	AdminPort     int            // of Envoy, on 127.0.0.1; 0 is any free port
	Proxy         supervisor.EnvoyOptions

	DrainTimeout time.Duration // for requests in flight; 0 is none
	Hurry        <-chan struct{}
	Stderr       io.Writer // Envoy's
}

// RunEdge runs an Envoy for an Edge until ctx ends, then lets requests in flight finish and stops it.
// When no server answers, Envoy starts all the same and follows when one does.
func RunEdge(ctx context.Context, o EdgeOptions) error {
	o.Log, o.Stderr = orSilent(o.Log), orDiscard(o.Stderr)
	o, err := o.findPrograms(ctx)
	if err != nil {
		return err
	}
	h, err := openHost(o.HostOptions, "edge-"+string(o.Edge))
	if err != nil {
		return err
	}
	defer h.close()
	h.note(func(s *status.Agent) { s.Edge = string(o.Edge) })
	server, err := client.New(servers.List(o.Server)[0], h.http)
	if err != nil {
		return err
	}
	e := &edge{EdgeOptions: o, host: h, server: server, envoy: newFuture[*supervisor.Envoy](), ready: make(chan struct{}, 1)}
	h.succession.settled = e.isSettled
	if err := e.resume(); err != nil {
		return err
	}
	all := append(h.parts(), parts{
		{name: "description", run: e.describe},
		{name: "envoy", run: e.once(func(ctx context.Context, envoy *supervisor.Envoy) error { return envoy.Run(ctx) })},
		{name: "drain", end: e.drain},
		{name: "verdict", run: e.once(e.followVerdict)},
	}...)
	err = all.run(ctx, func() (context.Context, context.CancelFunc) { return patience(o.DrainTimeout, o.Hurry, nil) })
	if errors.Is(err, process.ErrReleased) {
		return h.replace(ctx, e.keep())
	}
	return err
}

// findPrograms looks that Envoy can be started.
func (o EdgeOptions) findPrograms(ctx context.Context) (_ EdgeOptions, err error) {
	o.Proxy.Path, err = o.Proxy.Find(ctx, o.Log)
	return o, o.HostOptions.excuse(err)
}

// Check returns what would keep an agent with these options from starting, as far as that can be known without a server
// and without looking at ports. It changes nothing.
func (o EdgeOptions) Check(ctx context.Context) error {
	o.Log = orSilent(o.Log)
	_, err := o.findPrograms(ctx)
	return err
}

// edge is what the parts of the agent of an edge share. Its values are set once.
type edge struct {
	EdgeOptions
	host   *host
	server *client.Client
	envoy  *future[*supervisor.Envoy]
	kept   state.Agent   // from which Envoy was started; set before envoy is
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

// describe asks a server for the edge's document. Without an answer it takes the document that it has on disk, and
// without one, after headStart, an empty one.
func (e *edge) describe(ctx context.Context) error {
	asking := startAsking(e.Log, func(ctx context.Context) (api.Edge, error) {
		return e.server.Edge(ctx, string(e.Edge))
	})
	defer asking.stop()
	late := time.After(headStart)
	var silent <-chan struct{}
	saved := e.host.saved.Edge
	if saved != nil && saved.Name == string(e.Edge) {
		silent = asking.silent
	}
	if e.host.succession.inherited != nil {
		if e.host.isDescribedBy("server") {
			return nil
		}
		silent, late = nil, nil
	}
	for {
		var document api.Edge
		select {
		case d := <-asking.answers:
			if d.err != nil {
				return d.err
			}
			return e.described(d.what)
		case <-silent:
			e.Log.Warn("no server answers: starting Envoy with the configuration on disk", "server", e.Server, "xds", e.XDS)
			e.host.note(func(s *status.Agent) { s.Described = "copy" })
			document = *saved
		case <-late:
			e.Log.Warn("no server answers: starting Envoy, which has no listeners and routes until one does", "server", e.Server, "xds", e.XDS)
		case <-ctx.Done():
			return nil
		}
		silent, late = nil, nil
		if _, err := e.start(document); err != nil {
			return err
		}
	}
}

// described starts Envoy unless it was started without a server, and saves what a server has said.
func (e *edge) described(document api.Edge) error {
	ports := e.host.saved.Ports
	select {
	case <-e.envoy.known:
	default:
		var err error
		if ports, err = e.start(document); err != nil {
			return err
		}
	}
	e.host.save(state.Agent{Edge: &document, Ports: ports})
	return nil
}

// start settles the ports and lets Envoy start. It returns the ports that it chose itself.
func (e *edge) start(document api.Edge) (map[string]int, error) {
	chooser := newPortChooser()
	chooser.before, chooser.running = e.host.saved.Ports, e.host.succession.inherited != nil
	envoy, err := e.newEnvoy(document, chooser)
	if err != nil {
		return nil, err
	}
	if k := e.host.succession.inherited; k != nil {
		if envoy.Inherited, err = e.host.succession.takeEnvoy(k.Envoy); err != nil {
			return nil, err
		}
	}
	e.kept = state.Agent{Edge: &document, Ports: chooser.free}
	e.envoy.set(envoy)
	return chooser.free, nil
}

// isSettled returns why the agent cannot be replaced yet.
func (e *edge) isSettled() error {
	select {
	case <-e.envoy.known:
		return isReplacing(e.envoy.value)
	default:
		return errStarting
	}
}

// keep returns what the agent hands over. Its parts must have let go.
func (e *edge) keep() kept {
	return kept{State: e.kept, Envoy: e.host.succession.giveEnvoy(e.envoy.value.Released())}
}

// resume takes over the Envoy that runs, if the program before has handed one over.
func (e *edge) resume() error {
	k := e.host.succession.inherited
	if k == nil {
		return nil
	}
	if k.State.Edge == nil {
		return errors.New("handover: it has no edge")
	}
	_, err := e.start(*k.State.Edge)
	return err
}

// newEnvoy settles the ports and returns an Envoy that is not started.
func (e *edge) newEnvoy(document api.Edge, chooser *portChooser) (*supervisor.Envoy, error) {
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
			Node:     mesh.Node{Role: mesh.EdgeProxy, Edge: e.Edge, Zone: e.Zone, Network: e.Network, Ports: mesh.Ports{Edge: ports}},
			Instance: fmt.Sprintf("%s:%d", host, admin),
			Server:   servers.List(e.XDS)[0], Socket: e.host.socket(), AdminPort: admin, CA: bootstrap.SystemCA(),
		},
		Server: e.XDS, Upstream: e.host.upstream,
		Inbound: inbound, Hurry: e.Hurry, Out: e.Stderr, Log: e.Log, Thread: e.host.thread(), DrainTimeout: e.DrainTimeout, Folder: e.host.path(),
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
