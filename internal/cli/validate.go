package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

func (i Invocation) validate() *cobra.Command {
	var o output
	cmd := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Check the documents of a folder",
		Long: `Check the documents of a folder, as the server does before it publishes them.

Prints every problem with its file and line, what was expected and the nearest right name. The exit status is 1 when there is any. Without DIR it checks the folder that DOYEN_CONFIG names.`,
		Example: `  doyen validate ./mesh
  doyen validate -o json ./mesh |
    jq -r '.problems[] | "\(.file):\(.line): \(.message)"'`,
		Args: optionalArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := i.folder(cmd, args)
			if err != nil {
				return err
			}
			return i.runValidate(dir, o)
		},
	}
	addOutput(cmd, &o, asText, asJSON)
	return cmd
}

// validation is the output of validate -o json.
type validation struct {
	Revision string          `json:"revision,omitempty"` // "" when there are problems
	Counts   *config.Counts  `json:"counts,omitempty"`   // absent when there are problems
	Problems config.Problems `json:"problems"`
}

// validateGCPercent lets the heap grow more before the garbage collector runs: the command reads a folder once and
// exits, and 5,000 documents take less than 100 MB.
const validateGCPercent = 400

func (i Invocation) runValidate(dir string, o output) error {
	defer debug.SetGCPercent(debug.SetGCPercent(validateGCPercent))
	snapshot, problems, err := config.LoadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range config.Unread(dir) {
		i.note("%s is not read: the names of documents end in .yaml or .yml", name)
	}
	if o == asJSON {
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

// printValidation prints the result; problems go to standard error.
func (i Invocation) printValidation(snapshot *config.Snapshot, problems config.Problems) error {
	if len(problems) > 0 {
		if err := i.printProblems(problems); err != nil {
			return err
		}
		_, err := fmt.Fprintf(i.Stderr, "\ndoyen: error: %s\n", count(len(problems), "problem"))
		return err
	}
	c := snapshot.Counts
	return i.printLine("valid: %s, %s, %s; revision %s",
		count(c.Services, "service"), count(c.Edges, "edge"), count(c.Externals, "external"), snapshot.Revision)
}

// printProblems prints problems on standard error, in colour and wrapped on a terminal.
func (i Invocation) printProblems(problems config.Problems) error {
	return yamldoc.Render(i.Stderr, problems, yamldoc.Style{Color: terminal.Is(i.Stderr), Width: i.ErrorWidth})
}
