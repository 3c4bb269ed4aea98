package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// resolvConf is where nameservers are configured, and lookEvery how often it is looked whether they have changed.
const (
	resolvConf = "/etc/resolv.conf"
	lookEvery  = 5 * time.Second
)

// maxNameservers is how many nameservers C libraries use.
const maxNameservers = 3

// holder is a Unix domain socket in the abstract namespace, which every network namespace has for itself. Whoever
// listens there captures connections. The kernel closes it when the process ends, in whatever way.
const holder = "@doyen-capture"

// ErrTaken says that another process captures connections in this network namespace.
var ErrTaken = errors.New("capture: another agent captures connections in this network namespace")

// Capture is the right to redirect connections in this network namespace.
type Capture struct {
	hosts func() map[string]mesh.Virtual
	log   *slog.Logger
	lock  net.Listener
	ipv6  bool

	inherited map[string]*os.File // sockets of the program before; of Run

	mu      sync.Mutex
	sockets map[netip.Addr]*dnsserver.Sockets // of the responders, by nameserver
}

// Open makes this process the one that captures. It starts nothing. hosts are the names to be answered, in lower case and
// without a dot at the end; it is called for each query and must be fast.
//
// From then on, queries of this process's own resolver are not captured.
func Open(hosts func() map[string]mesh.Virtual, log *slog.Logger) (*Capture, error) {
	if err := permitted(); err != nil {
		return nil, err
	}
	c := &Capture{hosts: hosts, log: log, ipv6: hasIPv6()}
	var err error
	if c.lock, err = hold(); err != nil {
		return nil, err
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: marked.DialContext}
	return c, nil
}

// Remove removes what a killed process has left in this network namespace; nil if that is nothing.
func Remove(ctx context.Context) error {
	if err := permitted(); err != nil {
		return err
	}
	lock, err := hold()
	if err != nil {
		return err
	}
	defer lock.Close()
	return nft(ctx, removal)
}

func hold() (net.Listener, error) {
	lock, err := net.Listen("unix", holder)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, ErrTaken
	}
	return lock, err
}

// hasIPv6 reports whether programs can listen on ::1.
func hasIPv6() bool {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = listener.Close() // it only had to be possible
	return true
}

// IPv6 reports whether connections by IPv6 are captured, too.
func (c *Capture) IPv6() bool { return c.ipv6 }

// Close lets another process capture. It leaves the redirection as it is.
func (c *Capture) Close() { _ = c.lock.Close() }

// Remove removes the redirection.
func (c *Capture) Remove(ctx context.Context) error { return nft(context.WithoutCancel(ctx), removal) }

// Run redirects connections to the port on which Envoy takes them, calls added when it does so, and answers queries until
// ctx ends. It leaves the redirection as it is. An error means that nothing is redirected.
func (c *Capture) Run(ctx context.Context, port int, added func()) error {
	servers := nameservers()
	stop, err := c.redirect(ctx, port, servers)
	defer func() { stop() }()
	if err != nil {
		return err
	}
	added()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		now := nameservers()
		if slices.Equal(now, servers) {
			continue
		}
		c.log.Info("nameservers have changed", "before", servers, "now", now)
		next, err := c.redirect(ctx, port, now)
		if err != nil {
			next()
			c.log.Warn("queries to the new nameservers are not captured yet", "error", err)
			continue
		}
		stop() // only now, so that there is always a responder
		stop, servers = next, now
	}
}

// redirect starts a responder for each nameserver and redirects connections and queries. stop ends the responders.
func (c *Capture) redirect(ctx context.Context, port int, servers []netip.Addr) (stop func(), err error) {
	serving, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	stop = func() {
		cancel()
		group.Wait()
	}
	r, listening := redirection{port: port, ipv6: c.ipv6}, map[netip.Addr]*dnsserver.Sockets{}
	for _, server := range servers {
		sockets, err := c.listen(ctx, server)
		if err != nil {
			return stop, fmt.Errorf("capture: responder for nameserver %v: %w", server, err)
		}
		listening[server] = sockets
		r.nameservers = append(r.nameservers, nameserver{server, sockets.TCP.Addr().(*net.TCPAddr).Port})
		answers := &responder{ctx: serving, upstream: netip.AddrPortFrom(server, 53).String(), hosts: c.hosts, slots: make(chan struct{}, maxQueries)}
		group.Go(func() {
			if err := dnsserver.ServeHandler(serving, sockets, answers); err != nil {
				c.log.Error("queries to a nameserver are no longer answered", "nameserver", server, "error", err)
			}
		})
	}
	if err := nft(ctx, r.script()); err != nil {
		return stop, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = listening
	return stop, nil
}

// nameservers returns the first nameservers of this host, as its programs use them. Without any they use one on loopback.
// Queries to link-local addresses cannot be redirected to loopback.
func nameservers() (all []netip.Addr) {
	config, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		config = &dns.ClientConfig{}
	}
	for _, server := range config.Servers[:min(len(config.Servers), maxNameservers)] {
		address, err := netip.ParseAddr(server)
		if err == nil && !address.IsLinkLocalUnicast() {
			all = append(all, address.Unmap())
		}
	}
	if len(config.Servers) == 0 {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return all
}
