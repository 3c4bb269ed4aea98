package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/server"
)

func (i Invocation) bootstrap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Print what an Envoy or a gRPC program starts from, for those who run them without doyen agent",
		Example: `  doyen bootstrap envoy --edge public
  doyen bootstrap grpc --service reports > grpc.json`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(i.bootstrapEnvoy(), i.bootstrapGRPC())
	return cmd
}

func (i Invocation) bootstrapEnvoy() *cobra.Command {
	var o bootstrap.Options
	cmd := &cobra.Command{
		Use:   "envoy --service NAME | --edge NAME",
		Short: "Print the bootstrap of an Envoy that gets everything from the server",
		Example: `  doyen bootstrap envoy --service users > envoy.yaml && envoy -c envoy.yaml
  doyen bootstrap envoy --edge public --listener-port http=8000`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Node.Role = mesh.Sidecar
			if o.Node.Edge != "" {
				o.Node.Role = mesh.EdgeProxy
			}
			if (o.Node.Service == "") == (o.Node.Edge == "") {
				return usage("for example: "+cmd.CommandPath()+" --service users", "one of --service and --edge is required")
			}
			o.CA = bootstrap.SystemCA()
			return i.printBootstrap(o, bootstrap.Envoy)
		},
	}
	addBootstrapFlags(cmd, &o)
	cmd.Flags().Var(nameValue(&o.Node.Edge, "name", mesh.ParseEdgeName), "edge", "the Edge document the Envoy runs")
	cmd.Flags().Var(portValue(&o.AdminPort), "admin-port", "Envoy's admin port on loopback (default 9901)")
	addPortFlags(cmd, &o.Node)
	return cmd
}

func (i Invocation) bootstrapGRPC() *cobra.Command {
	var o bootstrap.Options
	cmd := &cobra.Command{
		Use:   "grpc --service NAME",
		Short: "Print the bootstrap of a gRPC program that is its own proxy",
		Example: `  doyen bootstrap grpc --service reports > grpc.json
  GRPC_XDS_BOOTSTRAP=grpc.json ./reports`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Node.Role = mesh.Proxyless; o.Node.Service == "" {
				return usage("for example: "+cmd.CommandPath()+" --service reports", "--service is required")
			}
			return i.printBootstrap(o, bootstrap.GRPC)
		},
	}
	addBootstrapFlags(cmd, &o)
	cmd.Flags().Var(nameValue(&o.Node.Zone, "name", mesh.ParseZoneName), "zone", "zone of the program's machine")
	fromEnvironment(cmd, "zone", "DOYEN_ZONE")
	return cmd
}

// addBootstrapFlags adds what both kinds of bootstrap say.
func addBootstrapFlags(cmd *cobra.Command, o *bootstrap.Options) {
	o.Server = server.DefaultGRPC
	flags := cmd.Flags()
	flags.Var(nameValue(&o.Node.Service, "name", mesh.ParseServiceName), "service", "the service whose manifest says what it may call")
	flags.StringVar(&o.Instance, "instance", "", "a `word` that tells it apart from others of its service or edge (default: the name of this host)")
	flags.Var(hostPortValue(&o.Server), "xds", "host:port of the server's gRPC port")
	fromEnvironment(cmd, "xds", "DOYEN_XDS")
}

func (i Invocation) printBootstrap(o bootstrap.Options, encode func(bootstrap.Options) ([]byte, error)) error {
	if o.Instance == "" {
		host, err := os.Hostname()
		if err != nil {
			return &hinted{err, "name it with --instance NAME"}
		}
		o.Instance = host
	}
	content, err := encode(o)
	if err == nil {
		_, err = i.Stdout.Write(content)
	}
	return err
}
