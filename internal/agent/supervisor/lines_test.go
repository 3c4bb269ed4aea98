package supervisor

import (
	"strings"
	"testing"
)

func TestLineWriterPassesOnWholeLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	tests := []struct {
		name   string
		writes []string
		want   string
	}{
		{"whole line", []string{"one\n"}, "envoy | one\n"},
		{"line in parts", []string{"o", "n", "e\ntw"}, "envoy | one\n"},
		{"several at once", []string{"one\ntwo\n\n"}, "envoy | one\nenvoy | two\nenvoy | \n"},
		{"escapes", []string{"GET /\x1b[2J\u009b\n"}, `envoy | GET /\x1b[2J\u009b` + "\n"},
		{"line without end is cut", []string{long}, "envoy | " + long[:maxLine] + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			w := &lineWriter{prefix: "envoy | ", out: &out}
			for _, s := range test.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("Write = %d, %v, want %d, nil", n, err, len(s))
				}
			}
			if got := out.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLineWriterHoldsBack(t *testing.T) {
	for _, drop := range []bool{false, true} {
		var out strings.Builder
		w := &lineWriter{prefix: "envoy | ", out: &out}
		w.holdBack()
		_, _ = w.Write([]byte("caught SIGTERM\n"))
		_, _ = w.Write([]byte(strings.Repeat("x", maxHeld) + "\n"))
		if out.String() != "" {
			t.Errorf("it passes on %q", out.String())
		}
		w.release(drop)
		_, _ = w.Write([]byte("two\n"))
		want := "envoy | caught SIGTERM\nenvoy | two\n"
		if drop {
			want = "envoy | two\n"
		}
		if out.String() != want {
			t.Errorf("drop %v: got %q, want %q", drop, out.String(), want)
		}
	}
}
