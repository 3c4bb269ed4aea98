package agent

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// loopback is where an application finds its own proxy.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// plan is everything about one instance that is settled before anything starts.
type plan struct {
	node     mesh.Node
	instance registry.Instance
	admin    int              // Envoy's admin port
	inbound  []netip.AddrPort // where callers reach it
	health   netip.AddrPort   // where the application is asked for its health
	env      []string         // where the application is expected to listen
}

// newPlan settles ports and addresses for an instance of service. The errors are about options and
// ports in use.
func newPlan(o Options, service api.Service) (plan, error) {
	address, err := ownAddress(o)
	if err != nil {
		return plan{}, err
	}
	chooser := &portChooser{given: map[int]bool{}}
	app, err := appPorts(o, service, chooser)
	if err != nil {
		return plan{}, err
	}
	p := plan{env: applicationPorts(service, app), health: netip.AddrPortFrom(loopback, uint16(app[healthPort(service)]))}
	if o.Proxyless {
		p.health = netip.AddrPortFrom(address, p.health.Port())
		p.node = mesh.Node{Role: mesh.Proxyless, Service: o.Service, Zone: o.Zone}
		p.place(o, service, address, app)
		return p, nil
	}
	p.node = mesh.Node{Role: mesh.Sidecar, Service: o.Service, Zone: o.Zone, Ports: mesh.Ports{App: app}}
	if err := p.choosePorts(o, service, chooser); err != nil {
		return plan{}, err
	}
	p.place(o, service, address, p.node.Ports.Ingress)
	return p, nil
}

// place says where callers reach the instance, given the port of each served port.
func (p *plan) place(o Options, service api.Service, address netip.Addr, ports map[mesh.PortName]int) {
	p.instance = registry.Instance{
		Key:  registry.Key{Service: o.Service, Address: netip.AddrPortFrom(address, uint16(ports[mainPort(service)]))},
		Zone: o.Zone, Tags: o.Tags, Weight: o.Weight, State: registry.Starting,
	}
	for name, port := range ports {
		p.inbound = append(p.inbound, netip.AddrPortFrom(address, uint16(port)))
		if name != mainPort(service) {
			if p.instance.Ports == nil {
				p.instance.Ports = map[mesh.PortName]int{}
			}
			p.instance.Ports[name] = port
		}
	}
}

func mainPort(service api.Service) mesh.PortName { return mesh.PortName(service.Ports[0].Name) }

func healthPort(service api.Service) mesh.PortName {
	if service.Health == nil || service.Health.Port == "" {
		return mainPort(service)
	}
	return mesh.PortName(service.Health.Port)
}

// appPorts is where the application listens for each port that the service serves.
func appPorts(o Options, service api.Service, chooser *portChooser) (map[mesh.PortName]int, error) {
	if len(service.Ports) == 0 {
		return nil, fmt.Errorf("service %q serves no port: there is nothing to check in", o.Service)
	}
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

// choosePorts chooses the ports of Envoy and looks that they are free.
func (p *plan) choosePorts(o Options, service api.Service, chooser *portChooser) error {
	if err := knownPorts("--ingress-port", o.IngressPorts, service); err != nil {
		return err
	}
	ports, next := &p.node.Ports, 0
	ports.Ingress = map[mesh.PortName]int{}
	for i, served := range service.Ports {
		name := mesh.PortName(served.Name)
		want := chosen(o.IngressPorts, name, i == 0, next)
		port, err := chooser.choose("ingress", "", want)
		if err != nil {
			return err
		}
		ports.Ingress[name] = port
		if want != 0 {
			next = port + 1
		}
	}
	var err error
	if ports.Egress, err = chooser.choose("egress", loopback.String(), o.EgressPort); err != nil {
		return err
	}
	if p.admin, err = chooser.choose("admin", loopback.String(), o.AdminPort); err != nil {
		return err
	}
	ports.TCP, err = tcpPorts(o, service, chooser)
	return err
}

// tcpPorts chooses the local port of every TCP service and external that service calls.
func tcpPorts(o Options, service api.Service, chooser *portChooser) (map[mesh.ServiceName]int, error) {
	ports := map[mesh.ServiceName]int{}
	for _, call := range service.Calls {
		if mesh.Protocol(call.Protocol) != mesh.TCP {
			continue
		}
		to := mesh.ServiceName(call.To)
		want, ok := o.TCPPorts[to]
		if !ok {
			want = call.LocalPort
		}
		port, err := chooser.choose("local "+call.To, loopback.String(), want)
		if err != nil {
			return nil, err
		}
		ports[to] = port
	}
	for _, name := range slices.Sorted(maps.Keys(o.TCPPorts)) {
		if _, ok := ports[name]; !ok {
			return nil, fmt.Errorf("--tcp-port %s: service %q calls no TCP service or external of that name; it calls %s", name, o.Service, list(slices.Sorted(maps.Keys(ports))))
		}
	}
	return ports, nil
}

// knownPorts wants every name in a flag's value to be a port of the service.
func knownPorts(flag string, ports map[mesh.PortName]int, service api.Service) error {
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		if name == "" || slices.ContainsFunc(service.Ports, func(p api.Port) bool { return p.Name == string(name) }) {
			continue
		}
		var served []string
		for _, p := range service.Ports {
			served = append(served, p.Name)
		}
		return fmt.Errorf("%s %s: service %q has no port of that name; it has %s", flag, name, service.Name, list(served))
	}
	return nil
}

// ownAddress is where callers reach this machine.
func ownAddress(o Options) (netip.Addr, error) {
	if o.Address.IsValid() {
		return o.Address, nil
	}
	server, err := url.Parse(o.Server)
	if err != nil {
		return netip.Addr{}, err
	}
	port := server.Port()
	if port == "" {
		port = strconv.Itoa(80) // any will do: nothing is sent
	}
	return addressTowards(net.JoinHostPort(server.Hostname(), port))
}

func list[S ~string](names []S) string {
	if len(names) == 0 {
		return "none"
	}
	text := ""
	for i, name := range names {
		if i > 0 {
			text += ", "
		}
		text += string(name)
	}
	return text
}
