package demo

import (
	"fmt"
	"net"
	"strconv"
)

// The demo's own ports. If one is in use, the demo takes the next free one. Its other ports follow firstPort. All are
// below the range from which systems take ports of outgoing connections.
const (
	edgePort       = 8000
	serverGRPCPort = 18000
	serverHTTPPort = 18001
	serverDNSPort  = 18053
	ledgerPort     = 15432
	firstPort      = 21000
)

// ports assigns ports of this machine, each once, in ascending order.
type ports struct {
	next   int
	given  map[int]bool
	change func(what string, wanted, got int) // told when a port of the demo's own was taken
}

// named returns a port that the documentation names, or the next free one.
func (p *ports) named(what string, wanted int) (int, error) {
	got, err := p.from(wanted)
	if err == nil && got != wanted {
		p.change(what, wanted, got)
	}
	return got, err
}

// any returns a port that the documentation does not name.
func (p *ports) any() (int, error) {
	got, err := p.from(p.next)
	p.next = got + 1
	return got, err
}

func (p *ports) from(first int) (int, error) {
	for port := first; port < 32768; port++ {
		if !p.given[port] && isFree(port) {
			p.given[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port from %d to 32767", first)
}

// isFree reports whether a program could listen on the port, on loopback and on all addresses.
func isFree(port int) bool {
	for _, host := range []string{"", "127.0.0.1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		listener.Close()
	}
	return true
}
