package capture

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
)

// Files adds the sockets of the responders to files, for a program that replaces this one (see Inherit). Queries that come
// meanwhile wait there.
func (c *Capture) Files(files map[string]*os.File) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for server, sockets := range c.sockets {
		for name, socket := range map[string]any{udpFile(server): sockets.UDP, tcpFile(server): sockets.TCP} {
			var err error
			if files[name], err = socket.(interface{ File() (*os.File, error) }).File(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Inherit takes over the sockets that Files added to files. Call it before Run.
func (c *Capture) Inherit(files map[string]*os.File) { c.inherited = files }

func udpFile(server netip.Addr) string { return "nameserver " + server.String() + " udp" }
func tcpFile(server netip.Addr) string { return "nameserver " + server.String() + " tcp" }

// listen returns the sockets of the responder for a nameserver.
func (c *Capture) listen(ctx context.Context, server netip.Addr) (*dnsserver.Sockets, error) {
	if udp, tcp := c.inherited[udpFile(server)], c.inherited[tcpFile(server)]; udp != nil && tcp != nil {
		delete(c.inherited, udpFile(server))
		delete(c.inherited, tcpFile(server))
		defer udp.Close() // what is made of it has a descriptor of its own
		defer tcp.Close()
		packets, err := net.FilePacketConn(udp)
		if err != nil {
			return nil, err
		}
		listener, err := net.FileListener(tcp)
		if err != nil {
			_ = packets.Close()
			return nil, err
		}
		return &dnsserver.Sockets{UDP: packets, TCP: listener}, nil
	}
	if server.Is6() {
		return dnsserver.Listen(ctx, "[::1]:0")
	}
	return dnsserver.Listen(ctx, "127.0.0.1:0")
}
