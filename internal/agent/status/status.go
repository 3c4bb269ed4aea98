// Package status is what an agent says of itself, over a socket in its state folder that only its own user can reach.
//
// It only reads. Its one invariant: asking changes nothing.
package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// timeout bounds one question, and maxAnswer what is read of its answer, in bytes.
const (
	timeout   = 2 * time.Second
	maxAnswer = 16 << 20
)

// Serve answers questions on listener with what now returns, until ctx ends. It closes listener.
func Serve(ctx context.Context, listener net.Listener, now func() Agent) error {
	server := &http.Server{
		ReadHeaderTimeout: timeout, WriteTimeout: timeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(now()) // who asked may be gone
		}),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// Ask asks the agent at a socket. An error that wraps *net.OpError says that no agent is there.
func Ask(ctx context.Context, socket string) (a Agent, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/", nil)
	if err != nil {
		return a, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(content, &a)
}
