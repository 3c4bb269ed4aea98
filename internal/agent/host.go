package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/internal/agent/secrets"
	"github.com/doyen-mesh/doyen/internal/agent/servers"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/relay"
)

// HostOptions is what every agent needs to know of its host and of the servers. Server and XDS are required.
type HostOptions struct {
	Server string // URLs of servers' HTTP ports, separated by commas
	XDS    string // host:port of servers' gRPC ports, separated by commas

	// StateDir is the state folder. "" is the first folder in StateRoot that no other agent of the same name has; if
	// it cannot be used, or StateRoot is "" too, the agent keeps no state, and its clients connect to the servers
	// themselves.
	StateDir  string
	StateRoot string
	Log       *slog.Logger

	Version    string      // of this program
	Succession *Succession // nil for an agent that does not replace its own program
}

// host is what the agents of instances and edges have in common: the state folder, the relay, and the way to the servers.
type host struct {
	HostOptions
	folder *state.Folder // nil for none
	saved  state.Agent   // as it was at the start
	http   *http.Client
	xds    *grpc.ClientConn
	relay  *relay.Relay // nil without a folder

	secrets    *secrets.Secrets // nil without a folder
	sockets    [2]net.Listener  // of relay and status; nil without a folder
	succession succession

	mu     sync.Mutex
	status status.Agent // but for the relay's clients
}

// openHost opens the state folder of the agent with that name and listens on its sockets. It starts nothing.
func openHost(o HostOptions, name string) (h *host, err error) {
	h = &host{
		HostOptions: o, succession: succession{Succession: o.Succession, asked: make(chan chan error)},
		status: status.Agent{PID: os.Getpid(), Version: o.Version, Started: time.Now(), Server: o.Server, XDS: o.XDS},
	}
	if err := h.succession.receive(); err != nil {
		return nil, err
	}
	transport, err := servers.NewTransport(servers.List(o.Server))
	if err != nil {
		return nil, err
	}
	h.http = &http.Client{Transport: transport}
	if h.xds, err = servers.Dial(servers.List(o.XDS)); err != nil {
		return nil, err
	}
	if h.succession.inherited != nil {
		err = h.resume()
	} else {
		err = h.openFolder(name)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	if h.folder != nil {
		h.relay = relay.New(relay.Options{
			Servers: h.xds, Folder: h.folder.Copies(), PushVirtualHosts: true, NamesFiles: secrets.NamesFiles, Log: h.Log,
		})
		h.secrets = secrets.New(h.relay, h.Log)
	}
	return h, nil
}

func (h *host) openFolder(name string) (err error) {
	switch {
	case h.StateDir != "":
		h.folder, err = state.Open(h.StateDir, "the agent of "+name)
	case h.StateRoot != "":
		if h.folder, err = state.OpenFree(filepath.Join(h.StateRoot, name), "the agent of "+name); err != nil {
			h.Log.Warn("no state folder: nothing is kept for a start without a server (--state-dir chooses another)", "error", err)
			return nil
		}
	}
	if err != nil || h.folder == nil {
		return err
	}
	h.status.Folder = h.folder.Path()
	if h.saved, err = h.folder.Load(); err != nil {
		h.Log.Error("the agent's state is ignored", "error", err)
		h.status.Problems = append(h.status.Problems, "the agent's state was ignored: "+err.Error())
	}
	for i, path := range []string{h.folder.XDSSocket(), h.folder.StatusSocket()} {
		if h.sockets[i], err = listenUnix(path); err != nil {
			return err
		}
	}
	return nil
}

// listenUnix listens on a Unix domain socket. The folder's lock says that one that is there belongs to nobody.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// close gives back everything. Parts must have ended.
func (h *host) close() {
	h.http.CloseIdleConnections()
	_ = h.xds.Close() // nobody uses it any more
	for _, s := range h.sockets {
		if s != nil {
			_ = s.Close() // a part may have closed it
		}
	}
	if h.folder != nil {
		if err := h.folder.Close(); err != nil {
			h.Log.Warn("the state folder cannot be given back", "error", err)
		}
	}
}

// parts are those that come before all others.
func (h *host) parts() parts {
	var all parts
	if h.folder != nil {
		all = append(all,
			part{name: "relay", run: func(ctx context.Context) error { return h.relay.Run(ctx, h.sockets[0]) }},
			part{name: "secrets", run: h.secrets.Run},
			part{name: "status", run: func(ctx context.Context) error { return status.Serve(ctx, h.sockets[1], h.now, h.ask) }},
		)
	}
	if h.succession.Succession != nil {
		all = append(all, part{name: "succession", run: h.succeed})
	}
	return all
}

// ask asks the agent to replace its program, and returns why it does not.
func (h *host) ask(ctx context.Context) error {
	if h.succession.Succession == nil {
		return errors.New("this agent cannot replace its program")
	}
	answer := make(chan error, 1)
	select {
	case h.succession.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// socket is where clients find the relay; "" without one.
func (h *host) socket() string {
	if h.folder == nil {
		return ""
	}
	return h.folder.XDSSocket()
}

// path is the state folder; "" without one.
func (h *host) path() string {
	if h.folder == nil {
		return ""
	}
	return h.folder.Path()
}

// upstream is why no server answers a client of the relay, nil when one does or nothing is known.
func (h *host) upstream(node string) error {
	if h.relay == nil {
		return nil
	}
	for _, c := range h.relay.Status() {
		if c.Node == node && !c.Connected && c.Problem != "" {
			return errors.New(c.Problem)
		}
	}
	return nil
}

// save saves what a start without a server needs. A failure is no reason to stop.
func (h *host) save(a state.Agent) {
	h.note(func(s *status.Agent) { s.Described = "server" })
	if h.folder == nil {
		return
	}
	if err := h.folder.Save(a); err != nil {
		h.Log.Warn("the agent's state cannot be saved: it could not start without a server", "error", err)
	}
}

// isDescribedBy reports whether that has described the service or edge: see status.Agent.
func (h *host) isDescribedBy(what string) bool { return h.now().Described == what }

// note changes the status.
func (h *host) note(change func(*status.Agent)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.status)
}

// now is the status.
func (h *host) now() status.Agent {
	h.mu.Lock()
	a := h.status
	h.mu.Unlock()
	if h.relay != nil {
		a.Clients, a.Secrets = h.relay.Status(), h.secrets.Status()
	}
	return a
}
