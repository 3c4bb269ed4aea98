package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

func (i Invocation) expiry() *cobra.Command {
	var c connection
	var expire, keep bool
	cmd := &cobra.Command{
		Use:   "expiry SERVICE --expire|--keep",
		Short: "Decide about instances that stopped checking in all at once",
		Long: `Decide about instances that stopped checking in all at once.

When far more instances stop checking in at once than is likely, doyen does not believe that they are all dead: expiry pauses, so they stay registered, and doyen status lists them. Expiry resumes by itself after a while. This command ends the pause now.`,
		Example: `  doyen expiry users --expire   they are dead: remove them
  doyen expiry users --keep     they are alive: renew their leases`,
		Args: oneArgument("SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if expire == keep {
				return usage("if they are dead: --expire; if they are alive: --keep", "%s: one of --expire and --keep is required", cmd.CommandPath())
			}
			service, err := mesh.ParseServiceName(args[0])
			if err != nil {
				return usage("", "%w", err)
			}
			decision := registry.Keep
			if expire {
				decision = registry.Expire
			}
			return c.doRegistry(cmd, func(ctx context.Context, api *registryclient.Client) error {
				n, err := api.Decide(ctx, service, decision)
				if refused := (*httpapi.Refused)(nil); errors.As(err, &refused) {
					return &hinted{err, "doyen status shows where expiry is paused"}
				}
				if err != nil {
					return err
				}
				return i.printLine("%s: %s", decision, count(n, "instance"))
			})
		},
	}
	cmd.Flags().BoolVar(&expire, "expire", false, "the instances are dead: remove them")
	cmd.Flags().BoolVar(&keep, "keep", false, "the instances are alive: renew their leases")
	c.add(cmd)
	cmd.ValidArgsFunction = i.completeFirst(&c, func(ctx context.Context, api *client.Client) ([]string, error) {
		s, err := api.Status(ctx)
		var names []string
		for _, d := range s.Expiry {
			names = append(names, d.Service)
		}
		return names, err
	})
	return cmd
}
