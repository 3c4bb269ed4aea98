package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

// rendering is one call of doyen render.
type rendering struct {
	node      mesh.Node
	instance  string
	adminPort int
	endpoints endpointsValue
	from      connection // the server whose instances become endpoints; "" is none
	xds       string     // the server that sends the endpoints; "" is none
}

func (i Invocation) render() *cobra.Command {
	var r rendering
	cmd := &cobra.Command{
		Use:   "render [DIR] --node NODE",
		Short: "Print a complete Envoy configuration for one proxy",
		Long: `Print a complete Envoy configuration for one proxy, compiled from the documents of a folder as the server would. Without DIR it reads the folder that DOYEN_CONFIG names.

The file needs no server. The endpoints of services are those given with --endpoint, or with --instances-from the instances that are registered there now. With --xds the file has everything but the endpoints of services, and that server sends those.`,
		Example: `  doyen render ./mesh --node sidecar/users > envoy.yaml && envoy -c envoy.yaml
  doyen render ./mesh --node edge/public \
    --endpoint web=10.0.0.7:9211,10.0.0.8:9211
  doyen render ./mesh --node edge/public --xds 127.0.0.1:18000`,
		Args: optionalArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := i.folder(cmd, args)
			if err != nil {
				return err
			}
			if r.node.Role == "" {
				return usage("for example: doyen render "+dir+" --node sidecar/users", "--node is required")
			}
			if r.xds != "" && (r.endpoints.byHost != nil || r.from.server != "") {
				return usage("for a file that needs no server leave out --xds", "--xds goes with neither --endpoint nor --instances-from: that server sends the endpoints")
			}
			return i.runRender(cmd, r, dir)
		},
	}
	flags := cmd.Flags()
	flags.Var(nodeValue{&r.node, &r.instance}, "node", "proxy to configure: sidecar/SERVICE or edge/NAME, followed by /INSTANCE to give it a node ID of its own")
	addPortFlags(cmd, &r.node)
	flags.Var(portValue(&r.adminPort), "admin-port", "Envoy's admin port on loopback (default 9901)")
	flags.Var(&r.endpoints, "endpoint", "endpoints of a service: SERVICE=IP:PORT,... for its main port, PORTNAME.SERVICE=... for another")
	flags.Var(serverValue(&r.from.server), "instances-from", "URL of a server whose instances become the endpoints")
	flags.Var(hostPortValue(&r.xds), "xds", "host:port of a server that sends the endpoints")
	return cmd
}

func (i Invocation) runRender(cmd *cobra.Command, r rendering, dir string) error {
	snapshot, problems, err := config.LoadDir(dir)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.Join(i.printValidation(nil, problems), exitStatus(statusError))
	}
	proxy, err := compile.Compile(&snapshot.Documents, mesh.View{Node: r.node, Revision: snapshot.Revision})
	if err != nil {
		return renderError(err, snapshot)
	}
	if err := unknownPort(r.node, &snapshot.Documents); err != nil {
		return err
	}
	o := bootstrap.Options{
		Node: r.node, Instance: cmp.Or(r.instance, "static"),
		Server: r.xds, AdminPort: r.adminPort, CA: bootstrap.SystemCA(),
	}
	var content []byte
	if r.xds != "" {
		content, err = bootstrap.StaticButEndpoints(o, proxy)
	} else {
		var sets []ir.EndpointSet
		if sets, err = r.sets(cmd, &snapshot.Documents); err == nil {
			content, err = bootstrap.Static(o, proxy, sets)
		}
	}
	if err == nil {
		_, err = i.Stdout.Write(content)
	}
	return err
}

// renderError lists the existing documents if the node names one that does not exist.
func renderError(err error, s *config.Snapshot) error {
	if !errors.Is(err, compile.ErrNoDocument) {
		return err
	}
	var names []string
	for name := range s.Documents.Services.Keys() {
		names = append(names, "sidecar/"+string(name))
	}
	for name := range s.Documents.Edges.Keys() {
		names = append(names, "edge/"+string(name))
	}
	return &hinted{err, "the folder has " + some(sorted(names), 8)}
}

// sets returns the endpoints of every service.
func (r rendering) sets(cmd *cobra.Command, docs *config.Documents) ([]ir.EndpointSet, error) {
	var instances []registry.Instance
	if r.from.server != "" {
		err := r.from.doRegistry(cmd, func(ctx context.Context, c *registryclient.Client) error {
			answer, err := c.Instances(ctx, "")
			for _, in := range answer.Instances {
				state, _ := in.Condition()
				instances = append(instances, registry.Instance{Key: in.Key(), Ports: in.Ports, Zone: in.Zone, Weight: in.Weight, State: state})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	viewer := compile.ViewerOf(docs, r.node)
	var sets []ir.EndpointSet
	for _, port := range compile.ServedPorts(docs) {
		set := ir.EndpointSet{
			Target: port.Target, Endpoints: r.endpoints.take(port.Target),
			Placement: port.Placement(viewer, compile.GatewaysOf(docs.Mesh)),
		}
		for i := range set.Endpoints {
			set.Endpoints[i].Network = viewer.Network
		}
		for _, in := range instances {
			if e, ok := port.Endpoint(in.Address, in.Ports); ok && in.Service == port.Target.Name && in.State != registry.Starting && in.State != registry.Maintenance {
				e.Network, e.Zone, e.Weight = in.Network, in.Zone, in.Weight
				e.Draining, e.Unhealthy = in.State == registry.Draining, in.State == registry.Unhealthy
				set.Endpoints = append(set.Endpoints, e)
			}
		}
		sets = append(sets, set)
	}
	return sets, r.endpoints.untaken(docs)
}

// endpointsValue is a flag with endpoints by the host of their target, such as users or admin.users.
type endpointsValue struct {
	byHost map[string][]ir.Endpoint
	taken  map[string]bool
}

func (v *endpointsValue) Set(s string) error {
	host, addresses, ok := strings.Cut(s, "=")
	if !ok || host == "" {
		return fmt.Errorf("want SERVICE=IP:PORT")
	}
	if v.byHost == nil {
		v.byHost, v.taken = map[string][]ir.Endpoint{}, map[string]bool{}
	}
	for text := range strings.SplitSeq(addresses, ",") {
		address, err := netip.ParseAddrPort(text)
		if err != nil || address.Port() == 0 {
			return fmt.Errorf("%q: want IP:PORT, such as 10.0.0.7:9211", text)
		}
		v.byHost[host] = append(v.byHost[host], ir.Endpoint{Address: address})
	}
	return nil
}

func (v *endpointsValue) String() string { return "" }
func (v *endpointsValue) Type() string   { return "service=ip:port" }

// take returns the endpoints that were given for t.
func (v *endpointsValue) take(t ir.Target) []ir.Endpoint {
	host := t.Hosts()[0]
	if v.byHost[host] != nil {
		v.taken[host] = true
	}
	return v.byHost[host]
}

// untaken returns an error if endpoints were given for a name that no document has.
func (v *endpointsValue) untaken(docs *config.Documents) error {
	for host := range v.byHost {
		if !v.taken[host] {
			return &hinted{fmt.Errorf("--endpoint %s: there is no such service", host), fmt.Sprintf("the folder has %s", some(names(docs.Services.Keys()), 8))}
		}
	}
	return nil
}
