package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
)

func (i Invocation) accept() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "accept REVISION",
		Short: "Let a held change of the documents take effect",
		Long: `Let a held change of the documents take effect.

A change that would remove most of the mesh is held until a person has looked at it; doyen status shows what it would remove, and its revision.`,
		Example: "  doyen accept 9d41c07e55aa",
		Args:    oneArgument("REVISION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd, func(ctx context.Context, api *client.Client) error {
				if err := api.Accept(ctx, args[0]); err != nil {
					return err
				}
				return i.printLine("accepted: revision %s takes effect now", args[0])
			})
		},
	}
	c.add(cmd)
	cmd.ValidArgsFunction = i.completeFirst(&c, func(ctx context.Context, api *client.Client) ([]string, error) {
		s, err := api.Status(ctx)
		if err != nil || s.Config.Held == nil {
			return nil, err
		}
		return []string{s.Config.Held.Revision}, nil
	})
	return cmd
}
