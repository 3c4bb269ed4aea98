package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCut(t *testing.T) {
	for _, test := range []struct {
		line    string
		columns int
		want    string
	}{
		{"twelve chars", 12, "twelve chars"},
		{"twelve chars", 11, "twelve cha…"},
		{"zwölf Zeichen", 6, "zwölf…"},
		{"any", 0, "any"},
		{"", 1, ""},
	} {
		if got := Cut(test.line, test.columns); got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.line, test.columns, got, test.want)
		}
	}
}

// TestPaintGoesOverWhatItPainted checks that each painting is one write that overwrites line by line: clearing the
// screen first would flicker.
func TestPaintGoesOverWhatItPainted(t *testing.T) {
	var out writes
	s := Screen{Out: &out, Size: func() (int, int) { return 10, 4 }}
	s.Paint([]string{"one", "a line that is too long"})
	s.Paint([]string{"1", "2", "3", "4"})
	s.Paint([]string{"forged\x1b[2J\nrow"})
	want := writes{
		"one\x1b[K\na line th…\x1b[K\n\x1b[J",
		"\x1b[2A1\x1b[K\n2\x1b[K\n(2 more l…\x1b[K\n\x1b[J",
		"\x1b[3A" + `forged\x1…` + "\x1b[K\n\x1b[J",
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

func TestNoTerminal(t *testing.T) {
	for _, w := range []any{&bytes.Buffer{}, &strings.Builder{}} {
		out := w.(interface{ Write([]byte) (int, error) })
		if columns, rows := Size(out); Is(out) || columns != 0 || rows != 0 {
			t.Errorf("%T is a terminal of %d columns and %d rows", w, columns, rows)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		line          string
		width, indent int
		want          []string
	}{
		{"it fits", 7, 2, []string{"it fits"}},
		{"it does not fit", 7, 2, []string{"it does", "  not", "  fit"}},
		{"    hint: mesh.yaml has problems", 14, 6, []string{"    hint:", "      mesh.yaml", "      has", "      problems"}},
		{"sidecar/users/10.0.0.7:9211 is too long a name", 20, 2, []string{"sidecar/users/10.0.0.7:9211", "  is too long a name"}},
		{"indivisible", 5, 2, []string{"indivisible"}},
		{"any width at all", 0, 2, []string{"any width at all"}},
		{"größer als fünf", 8, 0, []string{"größer", "als fünf"}},
	} {
		if diff := cmp.Diff(test.want, Wrap(test.line, test.width, test.indent)); diff != "" {
			t.Errorf("%q in %d columns (-want +got):\n%s", test.line, test.width, diff)
		}
	}
}
