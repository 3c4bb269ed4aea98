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
	Proxy         ProxyOptions

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
	if o.Proxy.Path, err = o.Proxy.find(ctx, o.Log); err != nil {
		return err
	}
	document, err := o.describe(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	p, err := o.newProxy(document)
	if err != nil {
		return err
	}
	defer p.admin.close()
	o.run(ctx, p)
	return nil
}

// describe asks the server for the edge's document. Without an answer for headStart it returns none.
func (o EdgeOptions) describe(ctx context.Context) (api.Edge, error) {
	server, err := client.New(o.Server)
	if err != nil {
		return api.Edge{}, err
	}
	defer server.Close()
	descriptions, stop := startAsking(o.Log, func(ctx context.Context) (api.Edge, error) {
		return server.Edge(ctx, string(o.Edge))
	})
	defer stop()
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	select {
	case d := <-descriptions:
		return d.what, d.err
	case <-timer.C:
		o.Log.Warn("no server answers: starting Envoy, which has no listeners and routes until one does", "server", o.Server, "xds", o.XDS)
	case <-ctx.Done():
	}
	return api.Edge{}, nil
}

// newProxy settles the ports and returns an Envoy that is not started.
func (o EdgeOptions) newProxy(document api.Edge) (*proxy, error) {
	chooser := newPortChooser()
	ports, inbound, err := o.listeners(document, chooser)
	if err != nil {
		return nil, err
	}
	admin := chooser.choose("admin", "--admin-port 0", loopback.String(), o.AdminPort)
	if err := chooser.err(); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host: %w", err)
	}
	return newProxy(o.Proxy, bootstrap.Options{
		Node:     mesh.Node{Role: mesh.EdgeProxy, Edge: o.Edge, Zone: o.Zone, Ports: mesh.Ports{Edge: ports}},
		Instance: fmt.Sprintf("%s:%d", host, admin),
		Server:   o.XDS, AdminPort: admin, CA: bootstrap.SystemCA(),
	}, inbound, o.Stderr, o.Log)
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

// run runs Envoy until ctx ends and everything in flight has been answered.
func (o EdgeOptions) run(ctx context.Context, p *proxy) {
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.run(running, o.Hurry, func(err error) {
			if err == nil {
				o.Log.Info("edge ready", "edge", o.Edge)
			} else {
				o.Log.Warn("edge not ready", "edge", o.Edge, "error", err)
			}
		})
	}()
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		o.followVerdict(running, p.node)
	}()
	<-ctx.Done()
	o.wayOut(p)
	stop()
	<-ended
	<-followed
}

// How often an edge asks what the server says of it.
const (
	firstVerdict = 5 * time.Second
	nextVerdict  = 30 * time.Second
)

// followVerdict logs what the server says of the edge's proxy whenever that is something else. A listener whose
// certificate is refused takes connections all the same, so that nothing else tells.
func (o EdgeOptions) followVerdict(ctx context.Context, node string) {
	told := ""
	for pause := firstVerdict; sleep(ctx, pause); pause = nextVerdict {
		why := o.verdict(ctx, node)
		if why != "" && why != told && ctx.Err() == nil {
			o.Log.Warn("edge is not in order", "edge", o.Edge, "why", why)
		}
		told = why
	}
}

// verdict is what the server says of the edge's proxy: above all what the proxy has refused, such as a
// certificate, with the words of Envoy and the document's line.
func (o EdgeOptions) verdict(ctx context.Context, node string) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	server, err := client.New(o.Server)
	if err != nil {
		return err.Error()
	}
	defer server.Close()
	status, err := server.Status(ctx)
	if err != nil {
		return err.Error()
	}
	for _, p := range status.Proxies {
		if p.Node == node {
			return p.Why
		}
	}
	return "it is not connected"
}

// wayOut stops accepting connections and waits for what is in flight.
func (o EdgeOptions) wayOut(p *proxy) {
	o.Log.Info("stopping: closing the listeners, then draining")
	ctx, cancel := patience(o.DrainTimeout, o.Hurry, nil)
	defer cancel()
	if err := p.admin.closeInbound(ctx); err != nil {
		o.Log.Warn("listeners cannot be closed", "error", err)
	}
	p.drain(ctx, o.Log)
}
