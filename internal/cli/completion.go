package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
)

// lister requests names from a server.
type lister func(context.Context, *client.Client) ([]string, error)

// completeFirst completes a command's first argument with names that a server knows. Without an answer it completes
// nothing, because an error would disturb the command line.
func (i Invocation) completeFirst(c *connection, list lister) cobra.CompletionFunc {
	complete := i.complete(&c.server, list)
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, toComplete)
	}
}

// completeFlag completes a flag's value with names that the server at *server knows.
func (i Invocation) completeFlag(cmd *cobra.Command, flag string, server *string, list lister) {
	_ = cmd.RegisterFlagCompletionFunc(flag, i.complete(server, list))
}

// complete completes a word with names that the server at *server knows, after the environment was read.
func (i Invocation) complete(server *string, list lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if i.readEnvironment(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		quick := connection{server: *server, timeout: completionTimeout}
		var found []string
		err := quick.do(cmd, func(ctx context.Context, api *client.Client) (err error) {
			found, err = list(ctx, api)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// serviceNames lists the services that have a manifest.
func serviceNames(ctx context.Context, api *client.Client) ([]string, error) {
	services, err := api.Services(ctx)
	var all []string
	for _, s := range services {
		all = append(all, s.Name)
	}
	return all, err
}

// edgeNames lists the Edge documents.
func edgeNames(ctx context.Context, api *client.Client) ([]string, error) {
	edges, err := api.Edges(ctx)
	var all []string
	for _, e := range edges {
		all = append(all, e.Name)
	}
	return all, err
}

// proxyNames lists the node IDs that status knows.
func proxyNames(ctx context.Context, api *client.Client) ([]string, error) {
	s, err := api.Status(ctx)
	var all []string
	for _, p := range s.Proxies {
		all = append(all, p.Node)
	}
	return all, err
}
