package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/handover"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/server"
)

func (i Invocation) agent() *cobra.Command {
	o := agent.Options{
		HostOptions:  agent.HostOptions{Server: defaultServer, XDS: server.DefaultGRPC},
		IngressPorts: map[mesh.PortName]int{"": mesh.DefaultIngressPort},
		EgressPort:   mesh.DefaultEgressPort, AdminPort: mesh.DefaultAdminPort, CapturePort: mesh.DefaultCapturePort,
	}
	var logs logging
	cmd := &cobra.Command{
		Use:   "agent --service NAME [flags] -- COMMAND [ARGUMENTS]",
		Short: "Run one instance of a service: its application and its Envoy",
		Long: `Run one instance of a service: start Envoy and the application, and register the instance while both can take traffic. The exit status is the application's.

On SIGTERM the agent stops everything in an order that never drops a request: it removes the instance from the registry, waits until the callers' proxies have acknowledged that, drains Envoy, stops the application, then stops Envoy. A second SIGTERM stops everything immediately.

On SIGHUP, or by doyen agent upgrade, the agent replaces its own program by the one that is now at the path from which it was started. The application and Envoy keep running. An agent that was started in a terminal ends on SIGHUP.

The agent sets these variables for the application:
  PORT, DOYEN_PORT_<NAME>    the ports to listen on, on loopback
  DOYEN_EGRESS               URL of its proxy, which routes by the Host header, such as users or users.mesh
  DOYEN_TCP_<NAME>           host:port, on loopback, of each TCP service or external that it calls
  DOYEN_SERVICE, DOYEN_ADDRESS, DOYEN_ZONE
  GRPC_XDS_BOOTSTRAP_CONFIG  with --no-envoy: gRPC then reaches services as xds:///NAME`,
		Example: `  doyen agent --service users --port 8080 -- ./users --verbose
  doyen agent --service web --zone z1 \
    --ingress-port 0 --egress-port 0 --admin-port 0 -- ./web
  doyen agent --service reports --no-envoy --port 50051 -- ./reports`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := agentUsage(cmd, o, args); err != nil {
				return err
			}
			o.Command, o.Log, o.Stdout, o.Stderr, o.StateRoot = args, logs.logger(i), i.Stdout, i.Stderr, i.agentsRoot()
			if handover.IsCheck(i.Getenv) {
				return agentError(o.Check(cmd.Context()))
			}
			return i.runAgent(cmd, o)
		},
	}
	flags := cmd.Flags()
	flags.Var(nameValue(&o.Service, "name", mesh.ParseServiceName), "service", "the service this is an instance of")
	flags.Var(&portsValue[mesh.PortName]{to: &o.AppPorts, parse: mesh.ParsePortName, bare: true, least: 1}, "port", "port on which the application listens: PORT for the main port, NAME=PORT for others (default: the manifest's)")
	flags.Var(&portsValue[mesh.PortName]{to: &o.IngressPorts, parse: mesh.ParsePortName, bare: true}, "ingress-port", "port on which callers reach this instance: PORT for the main port, NAME=PORT for others (default: the ports after it); 0 is any free port")
	flags.Var(portValue(&o.EgressPort), "egress-port", "port on loopback on which the application reaches its proxy; 0 is any free port")
	flags.Var(&portsValue[mesh.ServiceName]{to: &o.TCPPorts, parse: mesh.ParseServiceName}, "tcp-port", "local port of a TCP service or external, NAME=PORT (default: the documents'); 0 is any free port")
	flags.BoolVar(&o.Capture, "capture", false, "redirect connections to the names of called services, in this network namespace, to Envoy, so that the application needs no proxy settings; needs Linux, nftables, and root or the capabilities CAP_NET_ADMIN and CAP_SETGID")
	flags.Var(portValue(&o.CapturePort), "capture-port", "port on loopback to which --capture redirects connections; 0 is any free port")
	flags.Var(addressValue(&o.Address), "address", "IP address at which callers reach this machine (default: the one from which it reaches the server)")
	flags.Uint32Var(&o.Weight, "weight", 0, "`share` of traffic relative to other instances (default 100)")
	flags.StringToStringVar(&o.Tags, "tag", nil, "label of this instance, `NAME=VALUE`")
	flags.Lookup("tag").DefValue = "" // help would show an empty map
	flags.BoolVar(&o.Proxyless, "no-envoy", false, "run without Envoy: the application is a gRPC program that speaks xDS itself")
	flags.StringVar(&o.HealthCommand, "health-command", "", "`command` for sh that checks the application's health instead of the manifest's check: it exits with status 0 while the application can take traffic")
	flags.Var(durationValue(&o.HealthCommandTimeout, agent.DefaultHealthCommandTimeout), "health-command-timeout", "longest time for the health command to exit before it is killed")
	flags.Var(durationValue(&o.DrainTimeout, agent.DefaultDrainTimeout), "drain-timeout", "longest time to wait for callers to stop calling and for requests in flight to finish")
	flags.Var(durationValue(&o.StopTimeout, agent.DefaultStopTimeout), "stop-timeout", "longest time for the application to exit before it is killed")
	fromEnvironment(cmd, "service", "DOYEN_SERVICE")
	fromEnvironment(cmd, "address", "DOYEN_ADDRESS")
	addHostFlags(cmd, &o.HostOptions)
	addProxyFlags(cmd, &o.Proxy, &o.Zone, &o.Network, &o.AdminPort)
	logs.add(cmd)
	i.completeFlag(cmd, "service", &o.Server, serviceNames)
	cmd.AddCommand(i.agentStatus(), i.agentUpgrade(), i.agentCapture())
	return cmd
}

// addHostFlags adds the flags of every agent.
func addHostFlags(cmd *cobra.Command, o *agent.HostOptions) {
	flags := cmd.Flags()
	flags.Var(listValue(&o.Server, "URL", parseServer), "server", "URL of the server's HTTP port, or of several, separated by commas")
	flags.Var(listValue(&o.XDS, "host:port", parseHostPort), "xds", "host:port of the server's gRPC port, or of several, separated by commas")
	flags.StringVar(&o.StateDir, "state-dir", "", "`folder` for what the agent needs to start while no server answers; of its own for each agent (default: one below ~/.local/state)")
	fromEnvironment(cmd, "server", "DOYEN_SERVER")
	fromEnvironment(cmd, "xds", "DOYEN_XDS")
	fromEnvironment(cmd, "state-dir", "DOYEN_STATE_DIR")
}

// addProxyFlags adds the flags of every command that runs an Envoy.
func addProxyFlags(cmd *cobra.Command, proxy *supervisor.EnvoyOptions, zone *mesh.ZoneName, network *mesh.NetworkName, admin *int) {
	flags := cmd.Flags()
	addLocationFlags(cmd, zone, network)
	flags.Var(portValue(admin), "admin-port", "Envoy's admin port on loopback; 0 is any free port")
	flags.StringVar(&proxy.Path, "envoy", "", "`path` of the Envoy executable (default: envoy on PATH)")
	flags.IntVar(&proxy.Concurrency, "envoy-concurrency", 0, "`number` of Envoy's worker threads (default: one per core)")
	flags.Var(sizeValue(&proxy.MaxHeap), "envoy-memory", "memory that Envoy may use, such as 512MiB: near to it, Envoy answers with 503 (default: half of this machine's, or of the control group's limit)")
	flags.StringVar(&proxy.LogLevel, "envoy-log-level", "warning", "log `level` of Envoy: trace, debug, info, warning, error, critical or off")
	flags.StringArrayVar(&proxy.Args, "envoy-arg", nil, "additional `argument` for Envoy; may be repeated")
	fromEnvironment(cmd, "envoy", "DOYEN_ENVOY")
}

// addLocationFlags adds the flags of every command that is about a machine's place.
func addLocationFlags(cmd *cobra.Command, zone *mesh.ZoneName, network *mesh.NetworkName) {
	flags := cmd.Flags()
	flags.Var(nameValue(zone, "name", mesh.ParseZoneName), "zone", "zone of the machine, ZONE or REGION/ZONE: a failure domain within which traffic is cheap")
	flags.Var(nameValue(network, "name", mesh.ParseNetworkName), "network", "network of the machine, if it cannot be reached from the mesh's default network")
	fromEnvironment(cmd, "zone", "DOYEN_ZONE")
	fromEnvironment(cmd, "network", "DOYEN_NETWORK")
}

func agentUsage(cmd *cobra.Command, o agent.Options, args []string) error {
	const example = "for example: doyen agent --service users --port 8080 -- ./users"
	dash := cmd.ArgsLenAtDash()
	switch {
	case o.Service == "":
		return usage(example, "--service is required")
	case len(args) == 0:
		return usage(example, "an application is required: -- COMMAND at the end")
	case o.Capture && o.Proxyless:
		return usage(example, "--capture redirects connections to Envoy, and with --no-envoy there is none")
	case dash != 0:
		return usage(example, "unexpected argument %q: the application's command comes after --", args[0])
	default:
		return nil
	}
}

func (i Invocation) runAgent(cmd *cobra.Command, o agent.Options) error {
	life := i.startLife(cmd.Context(), o.Log)
	defer life.stop()
	o.Hurry, o.Version, o.Succession = life.immediately, i.Version, life.succession
	status, err := agent.Run(life.ctx, o)
	if err != nil {
		return agentError(err)
	}
	if status != statusOK {
		return exitStatus(status)
	}
	return nil
}

// agentError adds a hint to the errors that often keep an agent from starting.
func agentError(err error) error {
	var ports agent.PortProblems
	switch {
	case errors.Is(err, supervisor.ErrNoEnvoy):
		return &hinted{err, supervisor.GetEnvoy + " installs one; or name the executable with --envoy PATH"}
	case errors.As(err, &ports):
		return &hinted{err, portHint(ports)}
	default:
		return err
	}
}

// portHint returns the flags that select other ports, "" if there are none.
func portHint(ports agent.PortProblems) string {
	var flags []string
	for _, p := range ports {
		if p.Flag != "" {
			flags = append(flags, p.Flag)
		}
	}
	if flags == nil {
		return ""
	}
	return "to use any free port: " + strings.Join(flags, " ")
}
