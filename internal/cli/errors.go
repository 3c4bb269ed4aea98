package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

// exitStatus is a status to exit with after everything has been printed.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a wrong command line.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// hinted is an error with a hint about the remedy.
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

// unknownCommand checks the arguments of a command that has only subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "to list the commands: " + cmd.CommandPath() + " --help"
	if near := suggest.Nearest(args[0], subcommands(cmd)); near != "" {
		hint = "did you mean: " + cmd.CommandPath() + " " + near
	}
	return usage(hint, "%s has no command %q", cmd.CommandPath(), args[0])
}

// flagError returns what is wrong with a flag, with the nearest valid one. It replaces the messages of the flag
// library, which are about Go.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
		help    = "see: " + cmd.CommandPath() + " --help"
	)
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &missing):
		f := missing.GetFlag()
		return usage(help, "%s: --%s needs a value: %s", cmd.CommandPath(), f.Name, expectedValue(f, nil))
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return usage(help, "%s: --%s %q: %s", cmd.CommandPath(), f.Name, invalid.GetValue(), expectedValue(f, invalid.Unwrap()))
	case errors.As(err, &syntax):
		return usage(help, "%s: %q is no flag", cmd.CommandPath(), syntax.GetSpecifiedFlag())
	default:
		return usage(help, "%s: %w", cmd.CommandPath(), err)
	}
}

// expectedValues describes values of the flag library's own types.
var expectedValues = map[string]string{
	"bool":           "want true or false",
	"duration":       "want a duration such as 30s or 5m",
	"int":            "want a whole number",
	"uint32":         "want a whole number of 0 or more",
	"stringToString": "want NAME=VALUE",
}

// expectedValue describes the values of a flag. For doyen's own types err does.
func expectedValue(f *pflag.Flag, err error) string {
	if text, ok := expectedValues[f.Value.Type()]; ok {
		return text
	}
	if err != nil {
		return err.Error()
	}
	return "want " + f.Value.Type()
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	name := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		return usage("to list the flags: "+cmd.CommandPath()+" --help", "%s has no flag -%s", cmd.CommandPath(), name)
	}
	hint := "to list the flags: " + cmd.CommandPath() + " --help"
	switch near := suggest.Nearest(name, flagNames(cmd.Flags())); {
	case name == "json" && cmd.Flags().Lookup("output") != nil:
		hint = "did you mean -o json?"
	case near != "":
		hint = "did you mean --" + near + "?"
	case slices.Contains(subcommands(cmd), name):
		hint = "did you mean: " + cmd.CommandPath() + " " + name
	case cmd.HasParent() && cmd.HasAvailableSubCommands():
		hint = "a command is missing: " + cmd.CommandPath() + " " + strings.Join(subcommands(cmd), ", or ")
	}
	return usage(hint, "%s has no flag --%s", cmd.CommandPath(), name)
}

func flagNames(flags *pflag.FlagSet) []string {
	var all []string
	flags.VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return all
}

func subcommands(cmd *cobra.Command) []string {
	var all []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	return all
}

// hintFor returns what to do about err, or "".
func hintFor(err error) string {
	var (
		own         *hinted
		refused     *httpapi.Refused
		unreachable *httpapi.Unreachable
	)
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &refused):
		return refused.Answer.Hint
	case errors.As(err, &unreachable):
		return fmt.Sprintf("is it running? doyen server --config DIR starts one; --server or DOYEN_SERVER say where it is (now %s)", unreachable.Server)
	}
	return ""
}
