package agent

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// strangerTimeout bounds the look at the application's ports before it is started.
const strangerTimeout = 500 * time.Millisecond

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
func (i *instance) environment() ([]string, error) {
	env := []string{
		"DOYEN_SERVICE=" + string(i.Service),
		"DOYEN_ADDRESS=" + i.Address.String(),
		"DOYEN_ZONE=" + string(i.Zone),
	}
	tcp := i.TCPPorts
	if p := i.plan(); p != nil {
		tcp = p.node.Ports.TCP
	}
	for name, port := range i.listeningPorts() {
		if name == "" {
			env = append(env, fmt.Sprintf("PORT=%d", port))
		} else {
			env = append(env, fmt.Sprintf("DOYEN_PORT_%s=%d", variable(name), port))
		}
	}
	if i.Proxyless {
		bootstrap, err := i.grpcBootstrap()
		return append(env, grpcBootstrapConfig+"="+bootstrap), err
	}
	env = append(env, fmt.Sprintf("DOYEN_EGRESS=http://%s:%d", loopback, i.EgressPort))
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
func (i *instance) listeningPorts() map[mesh.PortName]int {
	p := i.plan()
	if p == nil || !p.isCalled() {
		return i.AppPorts
	}
	ports := maps.Clone(p.app)
	ports[""] = ports[p.mainPort]
	return ports
}

// plan is what the instance is; nil when no server has described its service yet.
func (i *instance) plan() *plan {
	select {
	case <-i.member.known:
		return i.member.value.plan
	default:
		return nil
	}
}

// variable is a name as a part of a variable's name.
func variable[S mesh.ServiceName | mesh.PortName](name S) string {
	return strings.ToUpper(strings.ReplaceAll(string(name), "-", "_"))
}

// lookForStrangers looks who listens at the application's ports before it is started: health checks and
// requests would reach that program.
func (i *instance) lookForStrangers(ctx context.Context) (found stranger) {
	ctx, cancel := context.WithTimeout(ctx, strangerTimeout)
	defer cancel()
	ports := slices.Sorted(maps.Values(i.listeningPorts()))
	for _, port := range slices.Compact(ports) {
		address := netip.AddrPortFrom(i.listensOn(), uint16(port)).String()
		if health.AskTCP(ctx, address) == nil {
			found = stranger("another program answered at " + address + " before the application was started")
			i.Log.Error("another program answers at the application's port, before the application is started", "address", address)
		}
	}
	return found
}
