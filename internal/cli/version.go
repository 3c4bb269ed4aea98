package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/handover"
)

// unknownVersion is the version of a build without version information.
const unknownVersion = "unknown"

// buildVersion returns the version that the linker set, or else that of the module.
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
	var o output
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of doyen",
		Example: "  doyen version -o json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if o == asJSON {
				return i.printJSON(struct {
					Version  string `json:"version"`
					Go       string `json:"go"`
					Handover int    `json:"handover"` // the format that an agent of this version reads
				}{i.Version, runtime.Version(), handover.Format})
			}
			return i.printLine("%s", i.versionLine())
		},
	}
	addOutput(cmd, &o, asText, asJSON)
	return cmd
}

func (i Invocation) versionLine() string {
	return fmt.Sprintf("doyen %s (%s)", i.Version, runtime.Version())
}
