package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/servers"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
)

// What commands take for these times when nobody says otherwise.
const (
	DefaultDrainTimeout         = 30 * time.Second
	DefaultStopTimeout          = 10 * time.Second
	DefaultHealthCommandTimeout = 5 * time.Second
)

// Options is what an agent for one instance needs. Service and Command are required.
type Options struct {
	HostOptions
	Service mesh.ServiceName
	Command []string // the application and its arguments

	Address netip.Addr // where callers reach this instance; the zero value is the address that leads to the server
	Zone    mesh.ZoneName
	Network mesh.NetworkName // that Address is in; "" is the default network
	Weight  uint32           // 0 is the registry's default
	Tags    map[string]string

	// AppPorts is where the application listens on loopback, by port name; "" is the main port. What is
	// absent is as the manifest says.
	AppPorts map[mesh.PortName]int
	// IngressPorts is where callers reach each port; "" is the main port. Further ports follow it one
	// by one unless they are named. 0 is any free port.
	IngressPorts map[mesh.PortName]int
	EgressPort   int                      // on 127.0.0.1; 0 is any free port
	Capture      bool                     // redirect the application's connections to names of the mesh; see package capture
	CapturePort  int                      // on 127.0.0.1, and on ::1 if there is one; 0 is any free port. It counts if Capture is set
	AdminPort    int                      // of Envoy, on 127.0.0.1; 0 is any free port
	TCPPorts     map[mesh.ServiceName]int // local ports of TCP services and externals, other than the documents'; 0 is any free port

	Proxyless bool // the application speaks xDS itself (gRPC): no Envoy
	Proxy     supervisor.EnvoyOptions

	// HealthCommand is a command for sh that checks the application's health in place of the manifest's check; "" is none.
	// It must come from whoever runs the agent: a server that could choose it could run anything on every host.
	HealthCommand        string
	HealthCommandTimeout time.Duration // of one run; 0 is DefaultHealthCommandTimeout

	DrainTimeout time.Duration // for callers to learn of the end and for requests in flight, together; 0 is none
	StopTimeout  time.Duration // for the application to end when asked to, before it is killed; 0 is none

	Hurry  <-chan struct{} // closes when whoever waits for the end has lost patience; nil is never
	Stdout io.Writer       // the application's
	Stderr io.Writer       // the application's and Envoy's

	captureIPv6 bool // connections by IPv6 are captured, too

	anyIngress bool // the main ingress port was any free one, so further ones are too
}

func (o Options) withDefaults() (Options, error) {
	o.Log, o.Stdout, o.Stderr = orSilent(o.Log), orDiscard(o.Stdout), orDiscard(o.Stderr)
	if len(o.Command) == 0 {
		return o, errors.New("no application to run")
	}
	o.HealthCommandTimeout = cmp.Or(o.HealthCommandTimeout, DefaultHealthCommandTimeout)
	return o, nil
}

// findPrograms looks that the application and Envoy can be started.
func (o Options) findPrograms(ctx context.Context) (_ Options, err error) {
	if err = process.Find(o.Command[0]); err == nil && !o.Proxyless {
		o.Proxy.Path, err = o.Proxy.Find(ctx, o.Log)
	}
	return o, o.HostOptions.excuse(err)
}

// Check returns what would keep an agent with these options from starting, as far as that can be known without a server
// and without looking at ports. It changes nothing.
func (o Options) Check(ctx context.Context) error {
	o, err := o.withDefaults()
	if err == nil {
		_, err = o.findPrograms(ctx)
	}
	return err
}

func orSilent(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// stateName names the default state folder, so that the agents of one service on one host keep theirs apart and find them
// again, as far as their ports tell.
func (o Options) stateName() string {
	name := "agent-" + string(o.Service)
	if port := cmp.Or(o.IngressPorts[""], o.AppPorts[""]); port != 0 {
		name += "-" + strconv.Itoa(port)
	}
	return name
}

// choosePorts makes every port in o one that nobody listens on yet. It needs no server.
func (o Options) choosePorts(chooser *portChooser) (Options, error) {
	for _, port := range o.AppPorts {
		chooser.given[port] = true
	}
	if o.Proxyless {
		return o, nil
	}
	o.anyIngress = o.IngressPorts[""] == 0
	o.IngressPorts, o.TCPPorts = maps.Clone(o.IngressPorts), maps.Clone(o.TCPPorts)
	for _, name := range slices.Sorted(maps.Keys(o.IngressPorts)) {
		o.IngressPorts[name] = chooser.choose("ingress", portFlag("--ingress-port", name), "", o.IngressPorts[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.TCPPorts)) {
		o.TCPPorts[name] = chooser.choose(string(name), portFlag("--tcp-port", name), loopback.String(), o.TCPPorts[name])
	}
	o.EgressPort = chooser.choose("egress", "--egress-port 0", loopback.String(), o.EgressPort)
	if o.Capture {
		o.CapturePort = chooser.choose("capture", "--capture-port 0", loopback.String(), o.CapturePort)
	}
	o.AdminPort = chooser.choose("admin", "--admin-port 0", loopback.String(), o.AdminPort)
	return o, chooser.err()
}

// portFlag is the flag that lets the agent choose a free port, for one of several ports by name.
func portFlag[S ~string](flag string, name S) string {
	if name == "" {
		return flag + " 0"
	}
	return fmt.Sprintf("%s %s=0", flag, name)
}

// chooseAddress finds out where callers reach this machine, when o does not say.
func (o Options) chooseAddress() (_ Options, err error) {
	if o.Address.IsValid() {
		return o, nil
	}
	server, err := url.Parse(servers.List(o.Server)[0])
	if err != nil {
		return o, err
	}
	o.Address, err = addressTowards(net.JoinHostPort(server.Hostname(), cmp.Or(server.Port(), "80")))
	return o, err
}

// listensOn is where the application listens, as this machine reaches it: on loopback behind its Envoy, else
// where callers reach it, or, when they use an address that this machine does not have, such as a translated
// one, at the one that leads to the server.
func (o Options) listensOn() netip.Addr {
	if !o.Proxyless {
		return loopback
	}
	if isOwn(o.Address) {
		return o.Address
	}
	own := Options{HostOptions: o.HostOptions}
	if own, err := own.chooseAddress(); err == nil {
		return own.Address
	}
	return o.Address
}

// isOwn reports whether a program on this machine could listen at address.
func isOwn(address netip.Addr) bool {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}
