// Package status is what an agent says of itself, over a socket in its state folder that only its own user can reach.
//
// It only reads, and passes on that the agent is to replace its program. Its one invariant: asking for the status
// changes nothing.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/secrets"
	"github.com/doyen-mesh/doyen/internal/relay"
)

// Agent is the status of one agent.
type Agent struct {
	Service string `json:"service,omitempty"` // of an instance
	Edge    string `json:"edge,omitempty"`    // of an edge
	PID     int    `json:"pid"`
	Folder  string `json:"folder"` // of its state
	Version string `json:"version,omitempty"`
	// Upgrades is how often the agent has replaced its own program since Started, and Upgraded when it did so last.
	Upgrades int       `json:"upgrades"`
	Upgraded time.Time `json:"upgraded,omitzero"`

	Started time.Time `json:"started"`
	Server  string    `json:"server"` // as --server says
	XDS     string    `json:"xds"`    // as --xds says
	// Described is who has described the service or edge: "server", "copy" (the state folder), or "" if nobody has yet.
	Described string `json:"described,omitempty"`
	State     string `json:"state,omitempty"`  // that the instance is registered with
	Reason    string `json:"reason,omitempty"` // for the state
	// Problems are what is wrong with the state folder.
	Problems []string       `json:"problems,omitempty"`
	Clients  []relay.Client `json:"clients"` // that the agent serves
	// Secrets are the certificates that the agent reads from files for its clients, by name.
	Secrets []secrets.Status `json:"secrets,omitempty"`
}

// timeout bounds one question, and maxAnswer what is read of its answer, in bytes. An upgrade takes the time that the
// next program needs to say what it is.
const (
	timeout        = 2 * time.Second
	upgradeTimeout = 30 * time.Second
	maxAnswer      = 16 << 20
)

// upgradePath is where an agent is asked to replace its program.
const upgradePath = "/upgrade"

// Serve answers questions on listener with what now returns, until ctx ends. It closes listener. upgrade makes the agent
// replace its own program, and returns why it does not.
func Serve(ctx context.Context, listener net.Listener, now func() Agent, upgrade func(context.Context) error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(now()) // who asked may be gone
	})
	mux.HandleFunc("POST "+upgradePath, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(upgradeTimeout))
		if err := upgrade(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	server := &http.Server{ReadHeaderTimeout: timeout, WriteTimeout: timeout, Handler: mux}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		_ = server.Shutdown(ctx) // whoever asked for the upgrade gets the answer
		_ = server.Close()
	})
	err := server.Serve(listener)
	if !stop() {
		<-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

var errTooOld = errors.New("the agent is of a version that cannot replace its program: restart it instead")

// Upgrade makes the agent at a socket replace its own program. It returns when the agent begins to, or the reason why
// it does not. An error that wraps *net.OpError says that no agent is there.
func Upgrade(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	response, content, err := exchange(ctx, socket, http.MethodPost, upgradePath)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return nil // it has begun to already, because somebody else has asked
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound, response.StatusCode == http.StatusMethodNotAllowed:
		return errTooOld
	case response.StatusCode != http.StatusOK:
		return errors.New(strings.TrimSpace(string(content)))
	case len(content) > 0: // agents of the first version answer everything with their status
		return errTooOld
	}
	return nil
}

// Ask asks the agent at a socket. An error that wraps *net.OpError says that no agent is there.
func Ask(ctx context.Context, socket string) (a Agent, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, content, err := exchange(ctx, socket, http.MethodGet, "/")
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(content, &a)
}

// exchange sends a request to the agent at a socket, and reads the answer.
func exchange(ctx context.Context, socket, method, path string) (*http.Response, []byte, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response, content, err
}
