package yamldoc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	type part struct {
		Before int
		Text   string
	}
	for _, test := range []struct {
		name, text string
		want       []part
	}{
		{"one", "a: 1\n", []part{{0, "a: 1\n"}}},
		{"no line end", "a: 1", []part{{0, "a: 1"}}},
		{"two", "a: 1\n---\nb: 2\n", []part{{0, "a: 1\n"}, {1, "---\nb: 2\n"}}},
		{"marker first", "---\na: 1\n", []part{{0, "---\na: 1\n"}}},
		{"content behind the marker", "a: 1\n--- {b: 2}\n", []part{{0, "a: 1\n"}, {1, "--- {b: 2}\n"}}},
		{"document end", "a: 1\n...\nb: 2\n", []part{{0, "a: 1\n...\n"}, {2, "b: 2\n"}}},
		{"carriage returns", "a: 1\r\n---\r\nb: 2\r\n", []part{{0, "a: 1\r\n"}, {1, "---\r\nb: 2\r\n"}}},
		{"indented dashes are text", "a: |\n  ---\n  b\n", []part{{0, "a: |\n  ---\n  b\n"}}},
		{"longer dashes are text", "a: 1\n----\n---x\n", []part{{0, "a: 1\n----\n---x\n"}}},
		{"nothing between", "---\n---\na: 1\n", []part{{0, "---\n"}, {1, "---\na: 1\n"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []part
			for _, c := range split([]byte(test.text)) {
				if len(c.text) > 0 {
					got = append(got, part{c.before, string(c.text)})
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBlank(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "\n \t\r\n": true, "# c\n": true, "---\n": true, "--- # c\n# d\n...\n": true,
		"a": false, "--- a": false, "#\n- \n": false,
	} {
		if got := (chunk{text: []byte(text)}).blank(); got != want {
			t.Errorf("blank(%q) is %t: want %t", text, got, want)
		}
	}
}
