package cli

import (
	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent"
	"github.com/doyen-mesh/doyen/internal/handover"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/server"
)

func (i Invocation) edge() *cobra.Command {
	o := agent.EdgeOptions{HostOptions: agent.HostOptions{Server: defaultServer, XDS: server.DefaultGRPC}, AdminPort: mesh.DefaultAdminPort}
	var logs logging
	cmd := &cobra.Command{
		Use:   "edge --edge NAME",
		Short: "Run an Envoy where traffic enters the mesh",
		Long: `Run an Envoy for an Edge document: its listeners, hosts and routes.

On SIGTERM it stops accepting connections, lets requests in flight finish, and exits. A second SIGTERM stops it immediately.

On SIGHUP, or by doyen agent upgrade, the agent replaces its own program by the one that is now at the path from which it was started, and Envoy keeps running. An agent that was started in a terminal ends on SIGHUP.`,
		Example: `  doyen edge --edge public
  doyen edge --edge public --listener-port http=8000 --admin-port 0`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Edge == "" {
				return usage("for example: doyen edge --edge public", "--edge is required")
			}
			o.Log, o.Stderr, o.StateRoot = logs.logger(i), i.Stderr, i.agentsRoot()
			if handover.IsCheck(i.Getenv) {
				return agentError(o.Check(cmd.Context()))
			}
			life := i.startLife(cmd.Context(), o.Log)
			defer life.stop()
			o.Hurry, o.Version, o.Succession = life.immediately, i.Version, life.succession
			return agentError(agent.RunEdge(life.ctx, o))
		},
	}
	flags := cmd.Flags()
	flags.Var(nameValue(&o.Edge, "name", mesh.ParseEdgeName), "edge", "the Edge document to run")
	flags.Var(&portsValue[string]{to: &o.ListenerPorts, parse: parseListener}, "listener-port", "port of a listener, NAME=PORT (default: the document's); 0 is any free port")
	flags.Var(durationValue(&o.DrainTimeout, agent.DefaultDrainTimeout), "drain-timeout", "longest time to wait for requests in flight to finish")
	addHostFlags(cmd, &o.HostOptions)
	addProxyFlags(cmd, &o.Proxy, &o.Zone, &o.Network, &o.AdminPort)
	logs.add(cmd)
	i.completeFlag(cmd, "edge", &o.Server, edgeNames)
	return cmd
}
