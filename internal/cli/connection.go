package cli

import (
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/agent/servers"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/server"
)

// defaultServer is the default URL of a server's HTTP port.
const defaultServer = "http://" + server.DefaultHTTP

// How long a command, and the completion of a name, waits for a server.
const (
	requestTimeout    = 10 * time.Second
	completionTimeout = time.Second
)

// connection selects the server that a command calls.
type connection struct {
	server  string
	timeout time.Duration // 0 is requestTimeout
}

// add adds the flag for the server.
func (c *connection) add(cmd *cobra.Command) {
	c.server = defaultServer
	cmd.Flags().Var(listValue(&c.server, "URL", parseServer), "server", "URL of the server's HTTP port, or of several, separated by commas")
	fromEnvironment(cmd, "server", "DOYEN_SERVER")
}

func (c *connection) context(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if c.timeout > 0 {
		return context.WithTimeout(cmd.Context(), c.timeout)
	}
	return context.WithTimeout(cmd.Context(), requestTimeout)
}

// http is how to reach the server, or one of several; nil is the usual way.
func (c *connection) http() (base string, h *http.Client, err error) {
	list := servers.List(c.server)
	if len(list) == 1 {
		return c.server, nil, nil
	}
	transport, err := servers.NewTransport(list)
	return list[0], &http.Client{Transport: transport}, err
}

// do calls f with a client of the server.
func (c *connection) do(cmd *cobra.Command, f func(context.Context, *client.Client) error) error {
	base, h, err := c.http()
	if err != nil {
		return err
	}
	api, err := client.New(base, h)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := c.context(cmd)
	defer cancel()
	return f(ctx, api)
}

// doRegistry calls f with a client of the server's registry.
func (c *connection) doRegistry(cmd *cobra.Command, f func(context.Context, *registryclient.Client) error) error {
	base, h, err := c.http()
	if err != nil {
		return err
	}
	api, err := registryclient.New(base, h)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := c.context(cmd)
	defer cancel()
	return f(ctx, api)
}
