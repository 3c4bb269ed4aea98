package cli

import (
	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent/capture"
)

func (i Invocation) agentCapture() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "capture",
		Short:   "Clean up after an agent that captured connections",
		Example: `  doyen agent capture remove`,
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "remove",
		Short: "Remove the redirection of connections that a killed agent has left",
		Long: `Remove the redirection of connections that an agent with --capture has left in this network namespace because it was killed. An agent that ends in order removes it itself.

It does nothing if there is none. While an agent captures connections in this network namespace, it is an error.`,
		Example: `  doyen agent capture remove`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return capture.Remove(cmd.Context()) },
	})
	return cmd
}
