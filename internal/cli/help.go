package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/terminal"
)

// showHelp prints the help of a command, as wide as the terminal or else 80 columns. Cobra's own does not wrap.
func (i Invocation) showHelp(cmd *cobra.Command, _ []string) {
	columns, _ := i.size()
	fmt.Fprint(i.Stdout, helpText(cmd, cmp.Or(columns, defaultWidth)))
}

func helpText(cmd *cobra.Command, width int) string {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var b strings.Builder
	part := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n%s\n%s\n", title, text)
		}
	}
	fmt.Fprintln(&b, wrapped(strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)), width))
	usage := ""
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		usage = "  " + cmd.UseLine()
	} else {
		usage = fmt.Sprintf("  %s COMMAND", cmd.CommandPath())
	}
	part("Usage:", wrapped(usage, width))
	part("Examples:", wrapped(cmd.Example, width))
	for _, g := range append(cmd.Groups(), &cobra.Group{Title: "Other commands:"}) {
		if len(cmd.Groups()) == 0 {
			g.Title = "Commands:"
		}
		part(g.Title, wrapped(commandList(cmd, g.ID), width))
	}
	part("Flags:", cmd.LocalFlags().FlagUsagesWrapped(width))
	part("Global flags:", cmd.InheritedFlags().FlagUsagesWrapped(width))
	if cmd.HasAvailableSubCommands() {
		part("Help for a command:", "  "+cmd.CommandPath()+" COMMAND --help")
	}
	return b.String()
}

// commandList lists the commands of one group below cmd, with their descriptions.
func commandList(cmd *cobra.Command, group string) string {
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), c.Name(), c.Short)
		}
	}
	return b.String()
}

// wrapped wraps each line of a text. Continuations of an indented line are aligned with its second column, or
// indented by two more spaces than the line.
func wrapped(text string, width int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		indent := len(line) - len(bare)
		if _, second, ok := strings.Cut(bare, "  "); ok && indent > 0 {
			indent = len(line) - len(strings.TrimLeft(second, " "))
		} else if indent > 0 {
			indent += 2
		}
		lines = append(lines, terminal.Wrap(line, width, indent)...)
	}
	return strings.Join(lines, "\n")
}
