package agent

import (
	"fmt"
	"maps"
	"strings"

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
// NAME is the name in capitals with '_' for '-'. Without a plan, because no server has answered yet, it
// holds what the options say.
func (a *agent) environment() []string {
	env := []string{
		"DOYEN_SERVICE=" + string(a.Service),
		"DOYEN_ADDRESS=" + a.Address.String(),
		"DOYEN_ZONE=" + string(a.Zone),
	}
	tcp := a.TCPPorts
	if a.plan != nil {
		tcp = a.plan.node.Ports.TCP
	}
	for name, port := range a.listeningPorts() {
		if name == "" {
			env = append(env, fmt.Sprintf("PORT=%d", port))
		} else {
			env = append(env, fmt.Sprintf("DOYEN_PORT_%s=%d", variable(name), port))
		}
	}
	if a.Proxyless {
		return append(env, "GRPC_XDS_BOOTSTRAP="+a.grpcBootstrap())
	}
	env = append(env, fmt.Sprintf("DOYEN_EGRESS=http://%s:%d", loopback, a.EgressPort))
	for name, port := range tcp {
		env = append(env, fmt.Sprintf("DOYEN_TCP_%s=%s:%d", variable(name), loopback, port))
	}
	return env
}

// listeningPorts is where the application is expected to listen, by port name; the main port is also "".
func (a *agent) listeningPorts() map[mesh.PortName]int {
	if a.plan == nil {
		return a.AppPorts
	}
	ports := maps.Clone(a.plan.app)
	ports[""] = ports[a.plan.mainPort]
	return ports
}

// variable is a name as a part of a variable's name.
func variable[S mesh.ServiceName | mesh.PortName](name S) string {
	return strings.ToUpper(strings.ReplaceAll(string(name), "-", "_"))
}
