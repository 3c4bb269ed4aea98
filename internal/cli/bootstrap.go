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
		Short: "Print a bootstrap for an Envoy or a gRPC program that runs without doyen agent",
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
		Short: "Print the bootstrap of an Envoy that gets its whole configuration from the server",
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
	cmd.Flags().Var(nameValue(&o.Node.Edge, "name", mesh.ParseEdgeName), "edge", "the Edge document that the Envoy serves")
	cmd.Flags().Var(portValue(&o.AdminPort), "admin-port", "Envoy's admin port on loopback (default 9901)")
	addPortFlags(cmd, &o.Node)
	return cmd
}

func (i Invocation) bootstrapGRPC() *cobra.Command {
	var o bootstrap.Options
	cmd := &cobra.Command{
		Use:   "grpc --service NAME",
		Short: "Print the bootstrap of a proxyless gRPC program",
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
	addLocationFlags(cmd, &o.Node.Zone, &o.Node.Network)
	return cmd
}

// addBootstrapFlags adds the flags of both kinds of bootstrap.
func addBootstrapFlags(cmd *cobra.Command, o *bootstrap.Options) {
	o.Server = server.DefaultGRPC
	flags := cmd.Flags()
	flags.Var(nameValue(&o.Node.Service, "name", mesh.ParseServiceName), "service", "the service whose manifest says what it may call")
	flags.StringVar(&o.Instance, "instance", "", "`name` that no other proxy of the service or edge has; it ends the node ID (default: the name of this host)")
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
