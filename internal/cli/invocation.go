package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/handover"
	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// Exit statuses.
const (
	statusOK    = 0
	statusError = 1 // problems in documents, and operations that did not succeed
	statusUsage = 2 // the command line itself is wrong
)

// Invocation is one call of the program, with everything that a command may use of its environment.
type Invocation struct {
	Version string   // of this build
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Size    func() (columns, rows int) // of the terminal; nil asks the system

	ErrorWidth int // columns of the terminal that Stderr is; 0 where it is none

	Thread    *process.Thread    // the main thread; nil in tests that do not need it
	Inherited *handover.Received // what the program before this one in the same process has handed over; nil for none
}

// Main runs the program with the process's arguments, and returns its exit status. It is called on the main thread.
func Main(version string) int {
	columns, _ := terminal.Size(os.Stderr)
	i := Invocation{
		Version: buildVersion(version), Args: os.Args[1:],
		Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, ErrorWidth: columns,
		Thread: process.NewThread(),
	}
	var err error
	if i.Inherited, err = handover.Receive(); err != nil {
		i.report(err)
		return statusError
	}
	return i.Thread.Run(func() int { return i.Run(context.Background()) })
}

// Run runs the command and returns the exit status.
func (i Invocation) Run(ctx context.Context) int {
	root := i.root()
	root.SetArgs(i.Args)
	err := root.ExecuteContext(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &status):
		return int(status)
	}
	i.report(err)
	var usage *usageError
	if errors.As(err, &usage) {
		return statusUsage
	}
	return statusError
}

// report prints an error and its hint.
func (i Invocation) report(err error) {
	i.printError("doyen: error: ", err.Error())
	if hint := hintFor(err); hint != "" {
		i.printError("doyen: hint: ", hint)
	}
}

// printError prints a message on standard error: on one line for scripts and logs, wrapped on a terminal.
func (i Invocation) printError(label, text string) {
	for _, line := range terminal.Wrap(label+oneLine(text), i.ErrorWidth, 2) {
		fmt.Fprintln(i.Stderr, line)
	}
}

// note prints a remark on standard error.
func (i Invocation) note(format string, args ...any) {
	i.printError("doyen: note: ", fmt.Sprintf(format, args...))
}

// oneLine returns text on one line. Joined errors have one line each.
func oneLine(text string) string {
	return printable.Text(strings.ReplaceAll(text, "\n", "; "))
}

// Groups of commands, in the order in which help shows them.
const (
	groupRun   = "run"
	groupCheck = "check"
	groupAsk   = "ask"
)

// root returns the whole command line.
func (i Invocation) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "doyen",
		Short: "A service mesh for plain machines: a fleet of Envoys and gRPC programs, configured by a folder of YAML",
		Long: `doyen runs a fleet of Envoy proxies and proxyless gRPC programs as one service mesh, configured by a folder of YAML.

A server reads the folder and configures the proxies. An agent beside each instance starts the application and its Envoy and registers the instance. An edge is an Envoy where traffic enters the mesh.`,
		Example: `  doyen demo                                        run a whole mesh to try it
  doyen server --config ./mesh                      serve the documents in ./mesh
  doyen agent --service users --port 8080 -- ./app  run one instance of users`,
		Args:              unknownCommand,
		Version:           i.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return i.readEnvironment(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(i.Stdout)
	root.SetErr(i.Stderr)
	root.SetVersionTemplate(i.versionLine() + "\n")
	root.SetHelpCommand(helpCommand(root))
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(i.showHelp)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run a mesh:"},
		&cobra.Group{ID: groupCheck, Title: "Work with documents:"},
		&cobra.Group{ID: groupAsk, Title: "Look at a running mesh:"},
	)
	for _, c := range i.commands() {
		for _, command := range c.commands {
			command.GroupID = c.group
			root.AddCommand(command)
		}
	}
	root.AddCommand(i.version(), i.demoApp())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = unknownCommand // cobra's shows its help for a shell that it does not know
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	return root
}

// helpCommand replaces cobra's, which does not fail for an unknown command.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				if err := unknownCommand(found, rest); err != nil {
					return err
				}
				return unknownCommand(root, args)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
