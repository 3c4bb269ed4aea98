package agent

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
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

// portChooser gives out ports of this machine, each once. What is wrong with those that were asked for it
// collects, so that a person learns of all of them at once.
type portChooser struct {
	given    map[int]bool
	before   map[string]int // free ports that an earlier agent got, by flag: they are taken again if they can be
	free     map[string]int // free ports that were given out, by flag
	running  bool           // this agent's own programs have the ports already: those of before, and those asked for
	problems PortProblems
}

func newPortChooser() *portChooser {
	return &portChooser{given: map[int]bool{}, free: map[string]int{}}
}

// clone returns a chooser that gives out the same ports and has no problems yet. What it gives out does not
// change c.
func (c *portChooser) clone() *portChooser {
	return &portChooser{given: maps.Clone(c.given), before: c.before, free: maps.Clone(c.free), running: c.running}
}

// choose returns want, or a free port when want is 0. It records a problem when somebody listens at host on
// that port. The name says which port it is, and flag is what a person would choose another with.
func (c *portChooser) choose(name, flag, host string, want int) int {
	if want == 0 {
		return c.chooseFree(name, flag, host)
	}
	if c.given[want] {
		c.add(flag, fmt.Errorf("%s port %d is also another port of this agent", name, want))
	} else if err := available(host, want); err != nil && !c.running {
		c.add(flag, portError(name, host, want, err))
	}
	c.given[want] = true
	return want
}

func (c *portChooser) chooseFree(name, flag, host string) int {
	port := c.before[flag]
	for range freeTry {
		isOwn := c.running && port == c.before[flag]
		if port > 0 && !c.given[port] && (isOwn || available(host, port) == nil) {
			c.given[port], c.free[flag] = true, port
			return port
		}
		port = freeFrom + rand.IntN(freeTo-freeFrom)
	}
	c.add("", fmt.Errorf("%s port: no free port found at %s in %d-%d", name, host, freeFrom, freeTo-1))
	return 0
}

func (c *portChooser) add(flag string, err error) {
	c.problems = append(c.problems, PortProblem{flag, err})
}

// err is a PortProblems with everything that was wrong so far, or nil.
func (c *portChooser) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems
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
		return fmt.Errorf("%s port %d is in use by another program", name, port)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s port %d: this user may not listen below 1024", name, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s port %d: %s is not an address of this machine", name, port, host)
	default:
		return fmt.Errorf("%s port %d: %w", name, port, err)
	}
}

// PortProblems are all ports that the agent needs and cannot have.
type PortProblems []PortProblem

// PortProblem is one port that the agent cannot have.
type PortProblem struct {
	Flag string // what chooses another port, such as "--egress-port"; "" when none does
	Err  error
}

func (p PortProblems) Error() string {
	texts := make([]string, len(p))
	for i, problem := range p {
		texts[i] = problem.Err.Error()
	}
	return strings.Join(texts, "; ")
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
