package cli

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md again")

const referencePage = "../../docs/reference/cli.md"

// TestReferenceIsCurrent fails when the page does not say what the commands say of themselves.
func TestReferenceIsCurrent(t *testing.T) {
	want := page(Invocation{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}.root())
	if *update {
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale: go generate ./internal/cli (-want +got):\n%s", referencePage, diff)
	}
}

// TestEveryCommandExplainsItself wants a sentence, an example and an explanation of each flag.
func TestEveryCommandExplainsItself(t *testing.T) {
	for _, cmd := range visible(Invocation{}.root()) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short description is %q: want one phrase without a full stop", cmd.CommandPath(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: has no example of itself", cmd.CommandPath())
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s is not explained", cmd.CommandPath(), f.Name)
			}
		})
	}
}

// visible are cmd and all commands below it that help shows, cobra's own left out.
func visible(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			all = append(all, visible(sub)...)
		}
	}
	return all
}

func page(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Command line\n\nMade from the program by `go generate ./internal/cli`; `doyen COMMAND --help` says the same.\n\n")
	b.WriteString("Results go to standard output; what went wrong goes to standard error as `doyen: error: ...` and, where it can be known, `doyen: hint: ...`.\n")
	b.WriteString("The exit status is 0, 1 for problems and errors, 2 for a wrong use of the command line; that of `doyen agent` is the application's.\n")
	b.WriteString("A flag goes before its variable. `doyen completion SHELL` prints a completion script for bash, zsh, fish or PowerShell.\n")
	for _, cmd := range visible(root) {
		section(&b, cmd)
	}
	b.WriteString("\n## Environment\n\n| variable | stands for |\n|---|---|\n")
	for _, line := range variables(root) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func section(b *strings.Builder, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n```\n%s\n```\n\n%s\n\n```sh\n%s\n```\n", cmd.CommandPath(), cmd.UseLine(), fenced(text), unindented(cmd.Example))
	rows := ""
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			rows += row(f)
		}
	})
	if rows != "" {
		fmt.Fprintf(b, "\n| flag | what | default | variable |\n|---|---|---|---|\n%s", rows)
	}
}

func row(f *pflag.Flag) string {
	name, preset, variable := "--"+f.Name, f.DefValue, variableOf(f)
	kind, what := pflag.UnquoteUsage(f)
	if kind != "" {
		name += " " + strings.ReplaceAll(kind, "|", `\|`)
	}
	if preset == "false" || preset == "0" || preset == "[]" {
		preset = ""
	}
	if preset != "" {
		preset = "`" + preset + "`"
	}
	if variable != "" {
		what, variable = strings.TrimSuffix(what, " [$"+variable+"]"), "`"+variable+"`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, what, preset, variable)
}

// fenced puts indented lines, which are tables to look at, between fences.
func fenced(text string) string {
	var out []string
	inside := false
	for line := range strings.SplitSeq(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != inside {
			out, inside = append(out, "```"), indented
		}
		out = append(out, line)
	}
	if inside {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

func unindented(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

// variables lists each variable with the flags it stands for.
func variables(root *cobra.Command) []string {
	flags := map[string][]string{}
	for _, cmd := range visible(root) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if v := variableOf(f); v != "" && !slices.Contains(flags[v], "`--"+f.Name+"`") {
				flags[v] = append(flags[v], "`--"+f.Name+"`")
			}
		})
	}
	var lines []string
	for _, v := range names(flags) {
		lines = append(lines, fmt.Sprintf("| `%s` | %s |", v, strings.Join(flags[v], ", ")))
	}
	return lines
}
