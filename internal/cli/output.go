package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// defaultWidth is the width of text, in columns, when the output is not a terminal.
const defaultWidth = 80

// output is the form in which a command prints its result.
type output string

// The forms of output.
const (
	asText output = "text"
	asWide output = "wide" // as text, of any width
	asJSON output = "json"
)

// addOutput adds the flag that selects one of the forms.
func addOutput(cmd *cobra.Command, o *output, forms ...output) {
	*o = asText
	var all []string
	for _, f := range forms {
		all = append(all, string(f))
	}
	allowed := strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	cmd.Flags().VarP(nameValue(o, "format", func(s string) (output, error) {
		for _, f := range forms {
			if s == string(f) {
				return f, nil
			}
		}
		return "", fmt.Errorf("want %s", allowed)
	}), "output", "o", "print "+allowed+"; JSON has a stable format")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
}

// newPage returns an empty page of the output's width.
func (i Invocation) newPage(o output) *page {
	columns, _ := i.size()
	switch {
	case o == asWide:
		columns = 0
	case columns == 0:
		columns = defaultWidth
	}
	return &page{width: columns}
}

func (i Invocation) size() (columns, rows int) {
	if i.Size != nil {
		return i.Size()
	}
	return terminal.Size(i.Stdout)
}

// printLine prints one line for a person.
func (i Invocation) printLine(format string, args ...any) error {
	_, err := fmt.Fprintln(i.Stdout, printable.Text(fmt.Sprintf(format, args...)))
	return err
}

// printPage prints a page for a person.
func (i Invocation) printPage(p *page) error {
	_, err := fmt.Fprint(i.Stdout, p)
	return err
}

// printJSON prints a value for a program.
func (i Invocation) printJSON(v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := i.Stdout.Write(printable.JSON(b.Bytes()))
	return err
}
