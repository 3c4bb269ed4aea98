package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doyen-mesh/doyen/internal/suggest"
)

// exitStatus is a status to exit with when all has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a wrong use of the command line.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// hinted is an error with what would be right.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// usage returns a usageError with a hint, which may be "".
func usage(hint, format string, args ...any) error {
	return &hinted{&usageError{fmt.Errorf(format, args...)}, hint}
}

// usageArgs makes the complaints of a check of arguments usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var known *usageError
		if err == nil || errors.As(err, &known) {
			return err
		}
		return usage("usage: "+cmd.UseLine(), "%s: %w", cmd.CommandPath(), err)
	}
}

// unknownCommand is a check of arguments for a command that has only subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "the commands are listed by: " + cmd.CommandPath() + " --help"
	if near := nearest(cmd, args[0]); near != "" {
		hint = "did you mean: " + cmd.CommandPath() + " " + near
	}
	return usage(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// flagError says what is wrong with a flag, with the nearest right one.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage("see: "+cmd.CommandPath()+" --help", "%s: %w", cmd.CommandPath(), err)
	}
	name := unknown.GetSpecifiedName()
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	hint := "the flags are listed by: " + cmd.CommandPath() + " --help"
	if near := suggest.Nearest(name, flags); near != "" {
		hint = "did you mean --" + near + "?"
	} else if near := nearest(cmd, name); near == name {
		hint = "did you mean: " + cmd.CommandPath() + " " + near
	}
	return usage(hint, "%s has no flag --%s", cmd.CommandPath(), name)
}

// nearest is the subcommand that is nearest to name, or "".
func nearest(cmd *cobra.Command, name string) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return name
		}
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return suggest.Nearest(name, names)
}
