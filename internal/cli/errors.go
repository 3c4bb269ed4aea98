package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	hint := "the flags are listed by: " + cmd.CommandPath() + " --help"
	if near := nearestFlag(cmd.Flags(), name); near != "" {
		hint = "did you mean --" + near + "?"
	} else if near := nearest(cmd, name); near == name {
		hint = "did you mean: " + cmd.CommandPath() + " " + near
	}
	return usage(hint, "%s has no flag --%s", cmd.CommandPath(), name)
}

// nearestFlag lets cobra compare, which does so only with names of commands.
func nearestFlag(flags *pflag.FlagSet, name string) string {
	names := &cobra.Command{}
	flags.VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	return nearest(names, name)
}

// nearest is the subcommand that is nearest to name, or "".
func nearest(cmd *cobra.Command, name string) string {
	for cmd.SuggestionsMinimumDistance = range max(2, len(name)/3) + 1 {
		if near := cmd.SuggestionsFor(name); len(near) > 0 {
			return near[0]
		}
	}
	return ""
}
