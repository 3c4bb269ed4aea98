package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
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
	cmd.Flags().Var(serverValue(&c.server), "server", "URL of the server's HTTP port")
	fromEnvironment(cmd, "server", "DOYEN_SERVER")
}

func (c *connection) context(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if c.timeout > 0 {
		return context.WithTimeout(cmd.Context(), c.timeout)
	}
	return context.WithTimeout(cmd.Context(), requestTimeout)
}

// do calls f with a client of the server.
func (c *connection) do(cmd *cobra.Command, f func(context.Context, *client.Client) error) error {
	api, err := client.New(c.server)
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
	api, err := registryclient.New(c.server, nil)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := c.context(cmd)
	defer cancel()
	return f(ctx, api)
}
