package agent

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// Free ports are drawn from below the range from which systems take the ports of outgoing
// connections (Linux: 32768, net.ipv4.ip_local_port_range): one drawn from within may be taken by a
// connection before whoever asked for it listens.
const (
	freeFrom = 20000
	freeTo   = 32768
	freeTry  = 200
)

// portChooser gives out ports of this machine, each once.
type portChooser struct {
	given map[int]bool
}

func newPortChooser() *portChooser { return &portChooser{given: map[int]bool{}} }

// clone returns a chooser that gives out what c still would, and that c takes no notice of.
func (c *portChooser) clone() *portChooser { return &portChooser{given: maps.Clone(c.given)} }

// choose returns want after a look that nobody listens there at host, or a free port when want is 0.
// The name is for the error.
func (c *portChooser) choose(name, host string, want int) (int, error) {
	if want != 0 {
		if c.given[want] {
			return 0, fmt.Errorf("%s port %d is also another port of this agent", name, want)
		}
		if err := available(host, want); err != nil {
			return 0, portError(name, host, want, err)
		}
		c.given[want] = true
		return want, nil
	}
	for range freeTry {
		port := freeFrom + rand.IntN(freeTo-freeFrom)
		if !c.given[port] && available(host, port) == nil {
			c.given[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("%s port: no free port found at %s in %d-%d", name, host, freeFrom, freeTo-1)
}

// available looks whether one could listen there. Envoy itself would not notice another Envoy on its
// port, because its listeners share ports (SO_REUSEPORT).
func available(host string, port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}

func portError(name, host string, port int, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &PortInUse{Name: name, Port: port}
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s port %d: this user may not listen below 1024", name, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s port %d: %s is not an address of this machine", name, port, host)
	default:
		return fmt.Errorf("%s port %d: %w", name, port, err)
	}
}

// PortInUse says that another program listens on a port that the agent needs.
type PortInUse struct {
	Name string // which of the agent's ports: egress, ingress, admin, ...
	Port int
}

func (p *PortInUse) Error() string {
	return fmt.Sprintf("%s port %d is in use by another program", p.Name, p.Port)
}

// addressTowards returns the address of this machine from which it reaches hostport: where callers
// in the same network can reach this machine. Nothing is sent: connecting a UDP socket only looks up
// the route.
func addressTowards(hostport string) (netip.Addr, error) {
	conn, err := net.Dial("udp", hostport)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("own address: no route to %s: %w", hostport, err)
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("own address: %w", err)
	}
	return local.Addr().Unmap().WithZone(""), nil
}
