package agent

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// environment is what the application gets besides the agent's own environment:
//
//	DOYEN_SERVICE, DOYEN_ADDRESS, DOYEN_ZONE   who and where it is
//	PORT, DOYEN_PORT_<NAME>                    where it is expected to listen: its main port, and each by name
//	DOYEN_EGRESS                               URL of its proxy: HTTP, routed by the Host header
//	DOYEN_TCP_<NAME>                           host:port on loopback of each TCP service or external it calls
//	GRPC_XDS_BOOTSTRAP_CONFIG                  without Envoy: the bootstrap of gRPC's own xDS client (gRFC A27)
//
// NAME is the name in capitals with '_' for '-'. Without a plan, because no server has answered yet, it
// holds what the options say.
func (a *agent) environment() ([]string, error) {
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
		bootstrap, err := a.grpcBootstrap()
		return append(env, grpcBootstrapConfig+"="+bootstrap), err
	}
	env = append(env, fmt.Sprintf("DOYEN_EGRESS=http://%s:%d", loopback, a.EgressPort))
	for name, port := range tcp {
		env = append(env, fmt.Sprintf("DOYEN_TCP_%s=%s:%d", variable(name), loopback, port))
	}
	return env, nil
}

// Where gRPC looks for its bootstrap. A file goes before the content.
const (
	grpcBootstrapFile   = "GRPC_XDS_BOOTSTRAP"
	grpcBootstrapConfig = "GRPC_XDS_BOOTSTRAP_CONFIG"
)

// inherited is the agent's own environment without what would lead the application elsewhere.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, grpcBootstrapFile+"=") || strings.HasPrefix(e, grpcBootstrapConfig+"=")
	})
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
