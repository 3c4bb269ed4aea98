package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	statusOK    = 0
	statusError = 1 // problems in documents, and operations that did not succeed
	statusUsage = 2 // the command line itself is wrong
)

// Invocation is one call of the program: everything a command may know of the world around it.
type Invocation struct {
	Version string   // of this build
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
}

// Main runs the program as the system called it and returns its exit status.
func Main(version string) int {
	return Invocation{
		Version: buildVersion(version), Args: os.Args[1:],
		Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
	}.Run(context.Background())
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
	fmt.Fprintf(i.Stderr, "doyen: error: %v\n", err)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(i.Stderr, "doyen: hint: %s\n", hint)
	}
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
		Short: "A service mesh for plain machines: it runs a fleet of Envoys and gRPC programs from a folder of YAML",
		Long: `doyen runs a fleet of Envoy proxies and proxyless gRPC programs as one service mesh, from a folder of YAML.

A server reads the folder and directs the proxies; an agent beside each instance starts the application
and its Envoy and checks the instance in; an edge is an Envoy where traffic enters.`,
		Example: `  doyen demo                                        a whole mesh on this machine, to look at and play with
  doyen server --config ./mesh                      a server for the documents in ./mesh
  doyen agent --service users --port 8080 -- ./app  one instance of the service users`,
		Args:              usageArgs(unknownCommand),
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return i.readEnvironment(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(i.Stdout)
	root.SetErr(i.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run a mesh:"},
		&cobra.Group{ID: groupCheck, Title: "Look at documents:"},
		&cobra.Group{ID: groupAsk, Title: "Ask a running server:"},
	)
	for _, c := range i.commands() {
		for _, command := range c.commands {
			command.GroupID = c.group
			root.AddCommand(command)
		}
	}
	root.AddCommand(i.version(), i.demoApp())
	return root
}
