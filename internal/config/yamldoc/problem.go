package yamldoc

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Problem is one mistake in a document: what is wrong, where, and what would be right. Its JSON form
// is an interface.
type Problem struct {
	Origin   mesh.Origin
	Message  string      // what is wrong
	Expected string      // what may stand there; "" when the message says it
	Hint     string      // what was most likely meant, or what to do; "" when nobody can know
	Related  mesh.Origin // another place that has to do with it, such as the bound that is exceeded; zero when there is none
	Source   string      // the line of the file at Origin, without its end; "" when there is none to show
	Length   int         // how many runes of Source to mark, from Origin.Column on
}

// Error is the problem on one line, as editors and logs want it.
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", p.Origin, p.Message)
	if p.Expected != "" {
		fmt.Fprintf(&b, "; expected %s", p.Expected)
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "; %s", p.Hint)
	}
	if p.Related != (mesh.Origin{}) {
		fmt.Fprintf(&b, "; see %s", p.Related)
	}
	return b.String()
}

// place is the JSON form of an origin.
type place struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitzero"`
	Column int    `json:"column,omitzero"`
	Owner  string `json:"owner,omitzero"`
}

// MarshalJSON writes the place's parts beside the others, absent parts left out.
func (p Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		place
		Message  string `json:"message"`
		Expected string `json:"expected,omitzero"`
		Hint     string `json:"hint,omitzero"`
		Related  place  `json:"related,omitzero"`
		Source   string `json:"source,omitzero"`
		Length   int    `json:"length,omitzero"`
	}{place(p.Origin), p.Message, p.Expected, p.Hint, place(p.Related), p.Source, p.Length})
}

// Problems are the mistakes of one folder, by file, line and column.
type Problems []Problem

// Sort orders problems by place. Those of one place keep the order in which they were found.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Origin.File, b.Origin.File),
			cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Origin.Column, b.Origin.Column),
		)
	})
}
