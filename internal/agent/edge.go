package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// EdgeOptions is what an agent for an edge needs. Edge and XDS are required.
type EdgeOptions struct {
	Edge mesh.EdgeName
	XDS  string // host:port of a server's gRPC port
	Zone mesh.ZoneName

	ListenerPorts map[string]int // by listener, other than the document's; 0 is any free port
	AdminPort     int            // of Envoy, on 127.0.0.1; 0 is any free port
	Proxy         ProxyOptions

	DrainTimeout time.Duration // for requests in flight
	Hurry        <-chan struct{}
	Stderr       io.Writer // Envoy's
	Log          *slog.Logger
}

// RunEdge runs an Envoy for an Edge until ctx ends, then lets requests in flight finish and stops it.
func RunEdge(ctx context.Context, o EdgeOptions) error {
	o.DrainTimeout = cmp.Or(o.DrainTimeout, DefaultDrainTimeout)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	var err error
	if o.Proxy.Path, err = o.Proxy.find(ctx, o.Log); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "doyen-edge-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	p, err := edgeProxy(o, folder)
	if err != nil {
		return err
	}
	defer p.admin.close()
	o.runProxy(ctx, p)
	return nil
}

// edgeProxy settles the ports and writes the bootstrap.
func edgeProxy(o EdgeOptions, folder string) (*proxy, error) {
	node := mesh.Node{Role: mesh.EdgeProxy, Edge: o.Edge, Zone: o.Zone}
	chooser := &portChooser{given: map[int]bool{}}
	for name, want := range o.ListenerPorts {
		port, err := chooser.choose(name, "", want)
		if err != nil {
			return nil, err
		}
		if node.Ports.Edge == nil {
			node.Ports.Edge = map[string]int{}
		}
		node.Ports.Edge[name] = port
		o.Log.Info("listener", "name", name, "port", port)
	}
	admin, err := chooser.choose("admin", loopback.String(), o.AdminPort)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this host: %w", err)
	}
	instance := fmt.Sprintf("%s:%d", host, admin)
	b := bootstrap.Options{Node: node, Instance: instance, Server: o.XDS, AdminPort: admin, CA: bootstrap.SystemCA()}
	return newProxy(o.Proxy, b, folder, nil, o.Stderr, o.Log)
}

// runProxy runs Envoy until ctx ends and everything in flight has been answered.
func (o EdgeOptions) runProxy(ctx context.Context, p *proxy) {
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
	<-ctx.Done()
	o.Log.Info("stopping: closing the listeners, then draining")
	draining, cancel := context.WithTimeout(context.Background(), o.DrainTimeout)
	go func() {
		defer cancel()
		select {
		case <-o.Hurry:
		case <-draining.Done():
		}
	}()
	if err := p.admin.closeInbound(draining); err != nil {
		o.Log.Warn("listeners cannot be closed", "error", err)
	}
	p.drain(draining, o.Log)
	cancel()
	stop()
	<-ended
}
