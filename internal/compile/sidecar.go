package compile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// loopback is the address at which a sidecar and its application reach each other.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// localConnectTimeout is generous for a connection that never leaves the host.
const localConnectTimeout = time.Second

// sidecar resolves the Envoy beside one instance.
func sidecar(docs *documents, node mesh.Node) (ir.Proxy, error) {
	service, err := manifest(docs, node)
	if err != nil {
		return ir.Proxy{}, err
	}
	called, err := calls(docs, service)
	if err != nil {
		return ir.Proxy{}, err
	}
	p := ir.Proxy{Node: node, Egress: egress(service, node, called)}
	for _, c := range called {
		if c.upstream.Protocol == mesh.TCP {
			p.Tunnels = append(p.Tunnels, tunnel(node, c))
		}
		p.Upstreams = append(p.Upstreams, c.upstream)
	}
	for i := range service.Ports {
		in, local := ingress(service, node, i)
		p.Ingress = append(p.Ingress, in)
		p.Upstreams = append(p.Upstreams, local)
	}
	if node.Capture.Port != 0 {
		p.Capture = capture(service, node, p.Tunnels)
	}
	slices.SortFunc(p.Upstreams, byTarget)
	return p, collisions(p)
}

func byTarget(a, b ir.Upstream) int { return a.Target.Compare(b.Target) }

// egress returns the listener for all HTTP calls; the request's host selects the target.
func egress(service *config.Service, node mesh.Node, called []call) *ir.Egress {
	e := &ir.Egress{
		Bind:   netip.AddrPortFrom(loopback, uint16(cmp.Or(node.Ports.Egress, mesh.DefaultEgressPort))),
		Origin: service.Origin,
	}
	var names []string
	for _, c := range called {
		if !c.upstream.Protocol.IsHTTP() {
			continue
		}
		target := c.upstream.Target
		e.Hosts = append(e.Hosts, ir.VirtualHost{Hosts: target.Hosts(), Routes: []ir.Route{c.route}, Origin: c.route.Origin})
		names = append(names, target.Hosts()[0])
	}
	e.NoRoute = noRoute(service, names)
	return e
}

// noRoute returns the answer that tells an application's developer what is wrong and where to correct it. It does not
// name the manifest's file: files can be renamed and moved without a new revision, and one revision always has the
// same bytes.
func noRoute(service *config.Service, names []string) ir.NoRoute {
	calls := "calls nothing by HTTP"
	if len(names) > 0 {
		calls = "calls " + strings.Join(names, ", ")
	}
	return ir.NoRoute{
		Before: `no route to host "`,
		After:  fmt.Sprintf("\": the manifest of service %q does not call it (it %s)\n", service.Name, calls),
	}
}

// tunnel returns the local port of a TCP target. The node's port overrides the documents'.
func tunnel(node mesh.Node, c call) ir.Tunnel {
	port := cmp.Or(node.Ports.TCP[c.upstream.Target.Name], c.localPort)
	return ir.Tunnel{
		Bind:   netip.AddrPortFrom(loopback, uint16(port)),
		Target: c.upstream.Target,
		Origin: c.upstream.Origin,
	}
}

// capture returns where the connections arrive that the node's agent redirects.
func capture(service *config.Service, node mesh.Node, tunnels []ir.Tunnel) *ir.Capture {
	port := uint16(node.Capture.Port)
	c := &ir.Capture{Binds: []netip.AddrPort{netip.AddrPortFrom(loopback, port)}, Origin: service.Origin}
	if node.Capture.IPv6 {
		c.Binds = append(c.Binds, netip.AddrPortFrom(netip.IPv6Loopback(), port))
	}
	var names []string
	for _, t := range tunnels {
		names = append(names, t.Target.Hosts()[0])
	}
	addresses := mesh.VirtualTCP(names)
	for i, t := range tunnels {
		v := addresses[names[i]]
		c.Tunnels = append(c.Tunnels, ir.CapturedTunnel{Addresses: []netip.Addr{v.IPv4, v.IPv6}, Target: t.Target, Origin: t.Origin})
	}
	return c
}

func portNames(service *config.Service) (names []mesh.PortName) {
	for _, p := range service.Ports {
		names = append(names, p.Name)
	}
	return names
}

// ingress returns the listener of the i-th served port, and the application's own port behind it.
func ingress(service *config.Service, node mesh.Node, i int) (ir.Ingress, ir.Upstream) {
	port := service.Ports[i]
	address := node.Address
	if !address.IsValid() {
		address = netip.IPv6Unspecified()
	}
	target := ir.Target{Kind: ir.Local, Port: port.Name}
	in := ir.Ingress{
		Port: port.Name, Protocol: port.Protocol, Target: target, Host: defaultHost(service, i), Origin: port.Origin,
		Bind: netip.AddrPortFrom(address, uint16(node.Ports.IngressPorts(portNames(service))[port.Name])),
	}
	local := ir.Upstream{
		Target: target, Protocol: port.Protocol, ConnectTimeout: localConnectTimeout, Origin: port.Origin,
		Addresses: []netip.AddrPort{netip.AddrPortFrom(loopback, uint16(cmp.Or(node.Ports.App[port.Name], port.Port)))},
	}
	return in, local
}

// defaultHost returns the host for requests to the i-th port that name none, such as health checks of old load
// balancers: the host of health checks, or else the one by which services call the port. It is "" for a port that is
// not HTTP.
func defaultHost(service *config.Service, i int) string {
	if !service.Ports[i].Protocol.IsHTTP() {
		return ""
	}
	if service.Health != nil && service.Health.Host != "" {
		return service.Health.Host
	}
	called := ir.Target{Kind: ir.Service, Name: mesh.ServiceName(service.Name)}
	if i > 0 {
		called.Port = service.Ports[i].Name
	}
	return called.Hosts()[0]
}
