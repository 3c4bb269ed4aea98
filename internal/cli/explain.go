package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

// explaining is one call of doyen explain.
type explaining struct {
	folder string
	output output
}

func (i Invocation) explain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show the settings of calls, and which document decided each",
		Example: `  doyen explain service users --config ./mesh
  doyen explain call users payments --config ./mesh`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(i.explainService(), i.explainCall())
	return cmd
}

func (i Invocation) explainService() *cobra.Command {
	var e explaining
	cmd := &cobra.Command{
		Use:   "service NAME",
		Short: "Show how a Service or External is called unless a call says otherwise",
		Example: `  doyen explain service users --config ./mesh
  doyen explain service ledger-db -o json`,
		Args: oneArgument("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return i.runExplain(cmd, e, func(docs *config.Documents) ([]config.Explained, error) {
				name := mesh.ServiceName(args[0])
				all, ok := docs.ExplainService(name)
				if !ok {
					return nil, noDocument(docs, name)
				}
				return all, nil
			})
		},
	}
	e.add(cmd)
	return cmd
}

func (i Invocation) explainCall() *cobra.Command {
	var e explaining
	cmd := &cobra.Command{
		Use:     "call FROM TO",
		Short:   "Show how one service calls another, or an External",
		Example: `  doyen explain call users payments --config ./mesh`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage("usage: "+cmd.UseLine(), "%s: FROM and TO are required", cmd.CommandPath())
			}
			return atMost(cmd, args, 2)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return i.runExplain(cmd, e, func(docs *config.Documents) ([]config.Explained, error) {
				from, to := mesh.ServiceName(args[0]), mesh.ServiceName(args[1])
				if docs.Services.Get(from) == nil {
					return nil, noDocument(docs, from)
				}
				if _, _, ok := docs.Callee(to); !ok {
					return nil, noDocument(docs, to)
				}
				all, ok := docs.ExplainCall(from, to)
				if !ok {
					return nil, &hinted{fmt.Errorf("service %q does not call %q", from, to), "its manifest lists what it calls: " + docs.Services.Get(from).Origin.String()}
				}
				return all, nil
			})
		},
	}
	e.add(cmd)
	return cmd
}

func (e *explaining) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.folder, "config", "", "folder of documents; without it the one that "+folderVariable+" names")
	addOutput(cmd, &e.output, asText, asJSON)
}

func (i Invocation) runExplain(cmd *cobra.Command, e explaining, explain func(*config.Documents) ([]config.Explained, error)) error {
	dir := cmp.Or(e.folder, i.Getenv(folderVariable))
	if dir == "" {
		return usage("usage: "+cmd.UseLine(), "%s: --config is required, or %s in the environment", cmd.CommandPath(), folderVariable)
	}
	snapshot, problems, err := config.LoadDir(dir)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.Join(i.printValidation(nil, problems), exitStatus(statusError))
	}
	all, err := explain(&snapshot.Documents)
	if err != nil {
		return err
	}
	if e.output == asJSON {
		return i.printJSON(struct {
			Settings []config.Explained `json:"settings"`
		}{all})
	}
	p := i.newPage(asWide) // names of settings are never shortened
	var rows [][]string
	for _, s := range all {
		if !s.Applies {
			s.Value = "- (requests only)"
		}
		by := s.By
		if s.Origin != "" {
			by += " " + s.Origin
		}
		rows = append(rows, []string{s.Setting, by, cmp.Or(s.Bound, "-"), s.Value})
	}
	p.table([]string{"SETTING", "DECIDED BY", "BOUND", "VALUE"}, rows)
	return i.printPage(p)
}

// noDocument returns the error that no Service or External has a name, with the nearest one.
func noDocument(docs *config.Documents, name mesh.ServiceName) error {
	hint := suggest.DidYouMean(string(name), append(names(docs.Services.Keys()), names(docs.Externals.Keys())...))
	return &hinted{fmt.Errorf("there is no Service or External %q", name), hint}
}
