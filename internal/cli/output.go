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

// defaultWidth is how wide text is where no terminal says how wide it is, in columns.
const defaultWidth = 80

// output is in which form a command prints its result.
type output string

// The forms of output.
const (
	asText output = "text"
	asWide output = "wide" // as text, however wide
	asJSON output = "json"
)

// addOutput adds the flag that chooses one of the forms.
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

// newPage returns an empty page that is as wide as the output should be.
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
