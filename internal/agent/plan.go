package agent

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// loopback is where an application finds its own proxy.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// plan is what an instance is and where its ports are, once the server has said what its service is.
type plan struct {
	node     mesh.Node
	instance registry.Instance
	service  api.Service
	inbound  []netip.AddrPort      // where the ingress listens, as this machine reaches it
	app      map[mesh.PortName]int // where the application listens
	mainPort mesh.PortName
	// callersCheck is how often callers' proxies check the health of the instance.
	callersCheck time.Duration
	prober       health.Prober // asks the application for its health
}

// newPlan settles the ports that o leaves open for an instance of service. The ports in o must have been
// chosen (see Options.choosePorts).
func newPlan(o Options, service api.Service, chooser *portChooser) (*plan, error) {
	app, err := appPorts(o, service, chooser)
	if err != nil {
		return nil, err
	}
	p := &plan{service: service, app: app, mainPort: mainPort(service), callersCheck: callersCheck(service.Health)}
	if p.isCalled() {
		p.prober = newProber(o, service, app)
	}
	if o.Proxyless {
		p.node = mesh.Node{Role: mesh.Proxyless, Service: o.Service, Zone: o.Zone, Network: o.Network}
		if p.isCalled() {
			p.place(o, service, app)
		}
		return p, nil
	}
	p.node = mesh.Node{Role: mesh.Sidecar, Service: o.Service, Zone: o.Zone, Network: o.Network, Address: ingressAddress(o.Address), Ports: mesh.Ports{Egress: o.EgressPort, App: app}}
	if o.Capture {
		p.node.Capture = mesh.Capture{Port: o.CapturePort, IPv6: o.captureIPv6}
		for name, port := range app {
			if port == o.CapturePort {
				chooser.add("--capture-port 0", fmt.Errorf("capture port %d is port %q of the application", port, name))
			}
		}
	}
	if p.node.Ports.Ingress, err = ingressPorts(o, service, chooser); err != nil {
		return nil, err
	}
	if p.node.Ports.TCP, err = tcpPorts(o, service, chooser); err != nil {
		return nil, err
	}
	if !p.isCalled() {
		return p, chooser.err()
	}
	p.place(o, service, p.node.Ports.Ingress)
	p.instance.Proxy = bootstrap.Options{Node: p.node, Instance: p.instance.Address.String()}.NodeID()
	return p, chooser.err()
}

// isCalled reports whether the service has ports. One without is a program that only calls others: there is nothing to
// register, and nothing to check.
func (p *plan) isCalled() bool { return len(p.service.Ports) > 0 }

// ingressAddress is where the ingress listens for callers of address. An instance on loopback is for
// callers on this machine only. Others are reached in ways that the machine itself may not know, such as
// a translated address, so they listen everywhere: by IPv4 and IPv6, or by IPv4 alone where there is no
// IPv6.
func ingressAddress(address netip.Addr) netip.Addr {
	if address.IsLoopback() {
		return address
	}
	listener, err := net.Listen("tcp6", "[::]:0")
	if err != nil {
		return netip.IPv4Unspecified()
	}
	_ = listener.Close() // it only had to be possible
	return netip.Addr{}
}

// newProber checks the application of an instance of service, which listens at those ports.
func newProber(o Options, service api.Service, app map[mesh.PortName]int) health.Prober {
	port := healthPort(service)
	return health.NewProber(service.Health, protocolOf(service, port), netip.AddrPortFrom(o.listensOn(), uint16(app[port])).String())
}

// place says where callers reach the instance, given the port of each served port.
func (p *plan) place(o Options, service api.Service, ports map[mesh.PortName]int) {
	p.instance = registry.Instance{
		Key:  registry.Key{Service: o.Service, Network: o.Network, Address: netip.AddrPortFrom(o.Address, uint16(ports[mainPort(service)]))},
		Zone: o.Zone, Tags: o.Tags, Weight: o.Weight, State: registry.Starting,
	}
	for name, port := range ports {
		p.inbound = append(p.inbound, netip.AddrPortFrom(p.listensAt(), uint16(port)))
		if name == mainPort(service) {
			continue
		}
		if p.instance.Ports == nil {
			p.instance.Ports = map[mesh.PortName]int{}
		}
		p.instance.Ports[name] = port
	}
}

// listensAt is where this machine itself reaches the ingress. Callers may use an address that the machine does
// not know, such as a translated one.
func (p *plan) listensAt() netip.Addr {
	if address := p.node.Address; address.IsValid() && !address.IsUnspecified() {
		return address
	}
	return loopback
}

// The interval of callers' health checks if the manifest does not say so. Without any check in the manifest, callers open
// connections, which do not tell them that the instance is draining: then there is only its responses to wait for.
const (
	defaultCallersCheck = 5 * time.Second
	withoutCheck        = time.Second
)

func callersCheck(h *api.Health) time.Duration {
	if h == nil {
		return withoutCheck
	}
	if d, err := time.ParseDuration(h.Interval); err == nil && d > 0 {
		return d
	}
	return defaultCallersCheck
}

// mainPort is the name of the first port; "" when the service has none.
func mainPort(service api.Service) mesh.PortName {
	if len(service.Ports) == 0 {
		return ""
	}
	return mesh.PortName(service.Ports[0].Name)
}

func healthPort(service api.Service) mesh.PortName {
	if service.Health == nil || service.Health.Port == "" {
		return mainPort(service)
	}
	return mesh.PortName(service.Health.Port)
}

// protocolOf is what the port of that name speaks.
func protocolOf(service api.Service, name mesh.PortName) mesh.Protocol {
	for _, p := range service.Ports {
		if p.Name == string(name) {
			return mesh.Protocol(p.Protocol)
		}
	}
	return ""
}

// appPorts is where the application listens for each port that the service serves.
func appPorts(o Options, service api.Service, chooser *portChooser) (map[mesh.PortName]int, error) {
	if err := knownPorts("--port", o.AppPorts, service); err != nil {
		return nil, err
	}
	ports := map[mesh.PortName]int{}
	for i, served := range service.Ports {
		name := mesh.PortName(served.Name)
		port := chosen(o.AppPorts, name, i == 0, served.Port)
		if port == 0 {
			return nil, fmt.Errorf("port %q of service %q: neither its manifest nor --port says where the application listens", name, o.Service)
		}
		ports[name] = port
		chooser.given[port] = true
	}
	return ports, nil
}

// ingressPorts is where callers reach each port: what was chosen, and for others the next ones.
func ingressPorts(o Options, service api.Service, chooser *portChooser) (map[mesh.PortName]int, error) {
	if err := knownPorts("--ingress-port", o.IngressPorts, service); err != nil {
		return nil, err
	}
	ports, next := map[mesh.PortName]int{}, 0
	for i, served := range service.Ports {
		name := mesh.PortName(served.Name)
		port := chosen(o.IngressPorts, name, i == 0, 0)
		if port == 0 {
			port = chooser.choose("ingress", portFlag("--ingress-port", name), "", next)
		}
		ports[name] = port
		if !o.anyIngress {
			next = port + 1
		}
	}
	return ports, nil
}

// chosen is the port that flags choose for name, or otherwise.
func chosen(flags map[mesh.PortName]int, name mesh.PortName, isMain bool, otherwise int) int {
	if port, ok := flags[name]; ok {
		return port
	}
	if port, ok := flags[""]; ok && isMain {
		return port
	}
	return otherwise
}

// tcpPorts is the local port of every TCP service and external that service calls.
func tcpPorts(o Options, service api.Service, chooser *portChooser) (map[mesh.ServiceName]int, error) {
	ports := map[mesh.ServiceName]int{}
	for _, call := range service.Calls {
		if mesh.Protocol(call.Protocol) != mesh.TCP {
			continue
		}
		to := mesh.ServiceName(call.To)
		port, ok := o.TCPPorts[to]
		if !ok {
			port = chooser.choose(call.To, portFlag("--tcp-port", to), loopback.String(), call.LocalPort)
		}
		ports[to] = port
	}
	for _, name := range slices.Sorted(maps.Keys(o.TCPPorts)) {
		if _, ok := ports[name]; !ok {
			return nil, fmt.Errorf("--tcp-port %s: service %q calls no TCP service or external of that name; it calls %s",
				name, o.Service, list(slices.Sorted(maps.Keys(ports))))
		}
	}
	return ports, nil
}

// knownPorts wants every name in a flag's value to be a port of the service.
func knownPorts(flag string, ports map[mesh.PortName]int, service api.Service) error {
	var served []string
	for _, p := range service.Ports {
		served = append(served, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		if name != "" && !slices.Contains(served, string(name)) {
			return fmt.Errorf("%s %s: service %q has no port of that name; it has %s", flag, name, service.Name, list(served))
		}
	}
	return nil
}

func list[S ~string](names []S) string {
	if len(names) == 0 {
		return "none"
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = string(name)
	}
	return strings.Join(words, ", ")
}
