package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// unknownVersion is the version of a build that was not told one.
const unknownVersion = "unknown"

// buildVersion is what the linker was told, else what the module was fetched as.
func buildVersion(linked string) string {
	if linked != "" && linked != unknownVersion {
		return linked
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return unknownVersion
	}
	return cmp.Or(build.Main.Version, unknownVersion)
}

func (i Invocation) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of doyen",
		Example: "  doyen version --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return i.printJSON(struct {
					Version string `json:"version"`
					Go      string `json:"go"`
				}{i.Version, runtime.Version()})
			}
			_, err := fmt.Fprintf(i.Stdout, "doyen %s (%s)\n", i.Version, runtime.Version())
			return err
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// addJSON adds the flag that every command has whose output a script may want.
func addJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, whose form is an interface")
}

func (i Invocation) printJSON(v any) error {
	encoder := json.NewEncoder(i.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
