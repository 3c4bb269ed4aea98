package cli

import (
	"cmp"

	"github.com/spf13/cobra"
)

// folderVariable is the variable that names the folder of documents.
const folderVariable = "DOYEN_CONFIG"

// Checks of arguments, in place of cobra's, which do not say which argument is missing.

func noArguments(cmd *cobra.Command, args []string) error { return atMost(cmd, args, 0) }

func atMost(cmd *cobra.Command, args []string, most int) error {
	if len(args) <= most {
		return nil
	}
	return usage("usage: "+cmd.UseLine(), "%s: unexpected argument %q", cmd.CommandPath(), args[most])
}

// oneArgument requires exactly one argument, called name.
func oneArgument(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("usage: "+cmd.UseLine(), "%s: %s is required", cmd.CommandPath(), name)
		}
		return atMost(cmd, args, 1)
	}
}

// optionalArgument allows at most one argument.
func optionalArgument(cmd *cobra.Command, args []string) error { return atMost(cmd, args, 1) }

// folder returns the folder of documents from the arguments, or else from the environment.
func (i Invocation) folder(cmd *cobra.Command, args []string) (string, error) {
	given := ""
	if len(args) > 0 {
		given = args[0]
	}
	folder := cmp.Or(given, i.Getenv(folderVariable))
	if folder == "" {
		return "", usage("usage: "+cmd.UseLine(), "%s: DIR is required, or %s in the environment", cmd.CommandPath(), folderVariable)
	}
	return folder, nil
}
