package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// addPortFlags adds flags for the local ports of a node that runs without doyen agent.
func addPortFlags(cmd *cobra.Command, node *mesh.Node) {
	flags, ports := cmd.Flags(), &node.Ports
	addLocationFlags(cmd, &node.Zone, &node.Network)
	flags.Var(portValue(&ports.Egress), "egress-port", "sidecar: where the application reaches its proxy (default 9001)")
	flags.Var(&portsValue[mesh.PortName]{to: &ports.Ingress, parse: mesh.ParsePortName, least: 1}, "ingress-port", "sidecar: where callers reach a served port, NAME=PORT (default: 9211, 9212, ...)")
	flags.Var(&portsValue[mesh.PortName]{to: &ports.App, parse: mesh.ParsePortName, least: 1}, "port", "sidecar: where the application listens, NAME=PORT (default: as the manifest says)")
	flags.Var(&portsValue[mesh.ServiceName]{to: &ports.TCP, parse: mesh.ParseServiceName, least: 1}, "tcp-port", "sidecar: local port of a TCP service or external, NAME=PORT (default: as the documents say)")
	flags.Var(&portsValue[string]{to: &ports.Edge, parse: parseListener, least: 1}, "listener-port", "edge: port of a listener, NAME=PORT (default: as the document says)")
}

// nodeValue is a flag with the identity of a node as ROLE/NAME[/INSTANCE], the form of node IDs. Setting it does not
// change zone and ports.
type nodeValue struct {
	node     *mesh.Node
	instance *string
}

func (v nodeValue) Set(s string) error {
	parts := strings.SplitN(s, "/", 3)
	if len(parts) < 2 {
		return fmt.Errorf("want ROLE/NAME, such as sidecar/users or edge/public")
	}
	var err error
	switch v.node.Role = mesh.Role(parts[0]); v.node.Role {
	case mesh.Sidecar:
		v.node.Service, err = mesh.ParseServiceName(parts[1])
	case mesh.EdgeProxy:
		v.node.Edge, err = mesh.ParseEdgeName(parts[1])
	default:
		err = fmt.Errorf("role %q: want %s or %s", v.node.Role, mesh.Sidecar, mesh.EdgeProxy)
	}
	if len(parts) == 3 {
		*v.instance = parts[2]
	}
	return err
}

func (v nodeValue) String() string { return "" }
func (v nodeValue) Type() string   { return "node" }
