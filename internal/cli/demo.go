package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/demo"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

func (i Invocation) demo() *cobra.Command {
	var o demo.Options
	var envoy string
	var check bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole mesh on this machine, to try things out",
		Long: `Run a whole mesh on this machine: a server, an edge on localhost:8000, three services with two instances each behind Envoys, a gRPC service without Envoy, a TCP server outside the mesh, and steady traffic. Ctrl-C ends and removes all of it.

With --check it runs by itself through what a mesh must survive: instances that stop, join and are killed, a route that moves, a broken file, a server that stops and returns. Each step prints what it measured; the exit status is 0 only if all of them pass.`,
		Example: `  doyen demo
  doyen demo --dir ./mesh
  doyen demo --check`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := supervisor.FindEnvoy(cmd.Context(), envoy)
			if err != nil {
				return agentError(err)
			}
			program, err := os.Executable()
			if err != nil {
				return err
			}
			o.Program, o.Envoy, o.Out = program, found.Path, i.Stdout
			o.Terminal, o.Size = terminal.Is(i.Stdout), i.size
			return i.runDemo(cmd, o, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "run through what a mesh must survive, then exit")
	cmd.Flags().StringVar(&o.Folder, "dir", "", "`folder` for the documents, kept at the end (default: a temporary one)")
	cmd.Flags().StringVar(&envoy, "envoy", "", "`path` of the Envoy to run (default: the one on PATH)")
	fromEnvironment(cmd, "envoy", "DOYEN_ENVOY")
	return cmd
}

func (i Invocation) runDemo(cmd *cobra.Command, o demo.Options, check bool) error {
	ctx, _, stop := interruptible(cmd.Context(), nil)
	defer stop()
	if !check {
		return demo.Run(ctx, o)
	}
	err := demo.Check(ctx, o)
	if errors.Is(err, demo.ErrCheck) && ctx.Err() == nil {
		return &hinted{err, "the lines that begin with FAIL say what went wrong; on a very busy machine, try again"}
	}
	return err
}

// demoApp runs one program of the demo. It is hidden because nothing else needs it.
func (i Invocation) demoApp() *cobra.Command {
	return &cobra.Command{
		Use:    "demo-app NAME [INSTANCE]",
		Short:  "Run one program of the demo",
		Hidden: true,
		Args:   cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, _, stop := interruptible(cmd.Context(), nil)
			defer stop()
			return demo.RunApplication(ctx, args[0], args[len(args)-1], i.Stdout)
		},
	}
}
