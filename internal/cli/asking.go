package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/server"
)

// defaultServer is where a server's HTTP port is unless told otherwise.
const defaultServer = "http://" + server.DefaultHTTP

// askTimeout bounds what a command waits for a server.
const askTimeout = 10 * time.Second

// asking is a command that asks a server.
type asking struct {
	server string
}

// add adds the flag that says which server.
func (a *asking) add(cmd *cobra.Command) {
	a.server = defaultServer
	cmd.Flags().Var(serverValue(&a.server), "server", "URL of the server's HTTP port")
	fromEnvironment(cmd, "server", "DOYEN_SERVER")
}

// ask calls f with a client of the server.
func (a *asking) ask(cmd *cobra.Command, f func(context.Context, *client.Client) error) error {
	c, err := client.New(a.server)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	return f(ctx, c)
}

// askRegistry calls f with a client of the server's registry.
func (a *asking) askRegistry(cmd *cobra.Command, f func(context.Context, *registryclient.Client) error) error {
	c, err := registryclient.New(a.server, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
	defer cancel()
	return f(ctx, c)
}

// hintFor is what would be right after err, or "".
func hintFor(err error) string {
	var (
		own         *hinted
		refused     *httpapi.Refused
		unreachable *httpapi.Unreachable
	)
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &refused):
		return refused.Answer.Hint
	case errors.As(err, &unreachable):
		return fmt.Sprintf("is it running? doyen server --config DIR starts one; --server or DOYEN_SERVER say where it is (now %s)", unreachable.Server)
	}
	return ""
}
