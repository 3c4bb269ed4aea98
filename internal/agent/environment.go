package agent

import (
	"fmt"
	"strings"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// environment is what the application gets besides the agent's own environment:
//
//	DOYEN_SERVICE, DOYEN_ADDRESS, DOYEN_ZONE   who and where it is
//	PORT, DOYEN_PORT_<NAME>                    where it is expected to listen: its main port, and each by name
//	DOYEN_EGRESS                               URL of its proxy: HTTP, routed by the Host header
//	DOYEN_TCP_<NAME>                           host:port on loopback of each TCP service or external it calls
//	GRPC_XDS_BOOTSTRAP                         without Envoy: the bootstrap file of gRPC's own xDS client
//
// NAME is the name in capitals with '_' for '-'.
func (p plan) environment(grpcBootstrap string) []string {
	env := append([]string{
		"DOYEN_SERVICE=" + string(p.node.Service),
		"DOYEN_ADDRESS=" + p.instance.Address.String(),
		"DOYEN_ZONE=" + string(p.node.Zone),
	}, p.env...)
	if grpcBootstrap != "" {
		env = append(env, "GRPC_XDS_BOOTSTRAP="+grpcBootstrap)
	}
	if egress := p.node.Ports.Egress; egress != 0 {
		env = append(env, fmt.Sprintf("DOYEN_EGRESS=http://%s:%d", loopback, egress))
	}
	for name, port := range p.node.Ports.TCP {
		env = append(env, fmt.Sprintf("DOYEN_TCP_%s=%s:%d", variable(name), loopback, port))
	}
	return env
}

// applicationPorts is the part of the environment that says where the application is expected to listen.
func applicationPorts(service api.Service, ports map[mesh.PortName]int) []string {
	env := []string{fmt.Sprintf("PORT=%d", ports[mainPort(service)])}
	for name, port := range ports {
		env = append(env, fmt.Sprintf("DOYEN_PORT_%s=%d", variable(name), port))
	}
	return env
}

// variable is a name as a part of a variable's name.
func variable[S mesh.ServiceName | mesh.PortName](name S) string {
	return strings.ToUpper(strings.ReplaceAll(string(name), "-", "_"))
}
