package agent

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Defaults of Options.
const (
	DefaultDrainTimeout = 30 * time.Second
	DefaultStopTimeout  = 10 * time.Second
)

// Options is what an agent for one instance needs. Service, Command, Server and XDS are required.
type Options struct {
	Service mesh.ServiceName
	Command []string // the application and its arguments
	Server  string   // URL of a server's HTTP port
	XDS     string   // host:port of a server's gRPC port

	Address netip.Addr // where callers reach this instance; the zero value is the address that leads to the server
	Zone    mesh.ZoneName
	Weight  uint32 // 0 is the registry's default
	Tags    map[string]string

	// AppPorts is where the application listens on loopback, by port name; "" is the main port. What is
	// absent is as the manifest says.
	AppPorts map[mesh.PortName]int
	// IngressPorts is where callers reach each port; "" is the main port. Further ports follow it one
	// by one unless they are named. 0 is any free port.
	IngressPorts map[mesh.PortName]int
	EgressPort   int                      // on 127.0.0.1; 0 is any free port
	AdminPort    int                      // of Envoy, on 127.0.0.1; 0 is any free port
	TCPPorts     map[mesh.ServiceName]int // local ports of TCP services and externals, other than the documents'; 0 is any free port

	Proxyless bool // the application speaks xDS itself (gRPC): no Envoy
	Proxy     ProxyOptions

	DrainTimeout time.Duration // for callers to learn of the end and for requests in flight, together
	StopTimeout  time.Duration // for the application to end when asked to, before it is killed

	Hurry  <-chan struct{} // closes when whoever waits for the end has lost patience; nil is never
	Stdout io.Writer       // the application's
	Stderr io.Writer       // the application's and Envoy's
	Log    *slog.Logger
}

// ProxyOptions is how an Envoy is run.
type ProxyOptions struct {
	Path        string   // the executable; "" is the one on PATH
	Concurrency int      // worker threads; 0 is one for each core
	Args        []string // further arguments of Envoy's own
}

func (o Options) withDefaults() (Options, error) {
	o.DrainTimeout = cmp.Or(o.DrainTimeout, DefaultDrainTimeout)
	o.StopTimeout = cmp.Or(o.StopTimeout, DefaultStopTimeout)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	if len(o.Command) == 0 {
		return o, errors.New("no application to run")
	}
	return o, nil
}
