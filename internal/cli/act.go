package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

func (i Invocation) accept() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "accept REVISION",
		Short: "Let a held change of the documents through",
		Long: `Let a held change of the documents through.

A change that would remove most of the mesh is held until a person has looked at it; doyen status shows what it would remove, and its revision.`,
		Example: "  doyen accept 9d41c07e55aa",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *client.Client) error {
				if err := c.Accept(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(i.Stdout, "accepted: revision %s takes effect now\n", args[0])
				return err
			})
		},
	}
	a.add(cmd)
	return cmd
}

func (i Invocation) expiry() *cobra.Command {
	var a asking
	var expire, keep bool
	cmd := &cobra.Command{
		Use:   "expiry SERVICE --expire|--keep",
		Short: "End a pause of a service's expiry",
		Long: `End a pause of a service's expiry.

When far more instances stop checking in at once than is likely, doyen doubts that they are all dead: their leases do not end, doyen status shows them, and expiry resumes by itself after a while. This command ends the pause now.`,
		Example: `  doyen expiry users --expire   they are dead: remove them
  doyen expiry users --keep     they live: each gets a whole lease from now on`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if expire == keep {
				return usage("they are dead: --expire; they live: --keep", "%s: want one of --expire and --keep", cmd.CommandPath())
			}
			service, err := mesh.ParseServiceName(args[0])
			if err != nil {
				return usage("", "%w", err)
			}
			decision := registry.Keep
			if expire {
				decision = registry.Expire
			}
			return a.askRegistry(cmd, func(ctx context.Context, c *registryclient.Client) error {
				n, err := c.Decide(ctx, service, decision)
				if refused := (*httpapi.Refused)(nil); errors.As(err, &refused) {
					return &hinted{err, "doyen status shows where expiry is paused"}
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(i.Stdout, "%s: %s\n", decision, count(n, "instance"))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&expire, "expire", false, "the instances in doubt are dead: remove them")
	cmd.Flags().BoolVar(&keep, "keep", false, "the instances in doubt live: give each a whole lease")
	a.add(cmd)
	return cmd
}
