package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

func (i Invocation) validate() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate DIR",
		Short: "Check the documents of a folder",
		Long: `Check the documents of a folder, as the server does before it takes them.

Prints every problem with its place, what was expected and the nearest right name. The exit status is 1 when there is any.`,
		Example: `  doyen validate ./mesh
  doyen validate --json ./mesh | jq -r '.problems[] | "\(.file):\(.line): \(.message)"'`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return i.runValidate(args[0], asJSON) },
	}
	addJSON(cmd, &asJSON)
	return cmd
}

// validation is the answer of validate --json.
type validation struct {
	Revision string          `json:"revision,omitempty"` // "" when there are problems
	Counts   *config.Counts  `json:"counts,omitempty"`   // absent when there are problems
	Problems config.Problems `json:"problems"`
}

func (i Invocation) runValidate(dir string, asJSON bool) error {
	snapshot, problems, err := config.LoadDir(dir)
	if err != nil {
		return err
	}
	if asJSON {
		err = i.printJSON(validated(snapshot, problems))
	} else {
		err = i.printValidation(snapshot, problems)
	}
	if err == nil && len(problems) > 0 {
		return exitStatus(statusError)
	}
	return err
}

func validated(snapshot *config.Snapshot, problems config.Problems) validation {
	if len(problems) > 0 {
		return validation{Problems: problems}
	}
	return validation{Revision: string(snapshot.Revision), Counts: &snapshot.Counts, Problems: config.Problems{}}
}

// printValidation prints problems on standard error: they are what went wrong.
func (i Invocation) printValidation(snapshot *config.Snapshot, problems config.Problems) error {
	if len(problems) > 0 {
		if err := yamldoc.Render(i.Stderr, problems, isTerminal(i.Stderr)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(i.Stderr, "\ndoyen: error: %s\n", count(len(problems), "problem"))
		return err
	}
	c := snapshot.Counts
	_, err := fmt.Fprintf(i.Stdout, "valid: %s, %s, %s; revision %s\n",
		count(c.Services, "service"), count(c.Edges, "edge"), count(c.Externals, "external"), snapshot.Revision)
	return err
}
