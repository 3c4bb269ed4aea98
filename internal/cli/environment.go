package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environmentKey is the annotation of a flag that holds the name of its variable.
const environmentKey = "environment"

// fromEnvironment lets an environment variable set a flag that is not given, and adds that to the flag's description.
func fromEnvironment(cmd *cobra.Command, flag, variable string) {
	f := cmd.Flags().Lookup(flag)
	f.Usage += " [$" + variable + "]"
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[environmentKey] = []string{variable}
}

// readEnvironment sets the flags of cmd that were not given from their variables. An empty variable counts as unset.
func (i Invocation) readEnvironment(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable := f.Annotations[environmentKey]
		if len(variable) == 0 || f.Changed || failed != nil {
			return
		}
		value := i.Getenv(variable[0])
		if value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			failed = usage("correct or unset it: it takes the place of --"+f.Name, "environment: %s=%q: %w", variable[0], value, err)
			return
		}
		f.Changed = true
	})
	return failed
}

// variableOf returns the environment variable of a flag, or "".
func variableOf(f *pflag.Flag) string {
	if names := f.Annotations[environmentKey]; len(names) > 0 {
		return names[0]
	}
	return ""
}
