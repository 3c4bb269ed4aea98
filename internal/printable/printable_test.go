package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"sidecar/users/10.0.0.7:80": "sidecar/users/10.0.0.7:80",
		"Zürich 東京":                 "Zürich 東京",
		"a\nedge/x  in sync":        `a\nedge/x  in sync`,
		"\x1b[2J\x1b[Hnothing":      `\x1b[2J\x1b[Hnothing`,
		"\u009b2J":                  `\u009b2J`,
		"tab\there\r":               `tab\there\r`,
		"admin\u202etxt.exe":        `admin\u202etxt.exe`,
		"zero\u200bwidth":           `zero\u200bwidth`,
		"line\u2028break":           `line\u2028break`,
		"bad \xff byte":             `bad � byte`,
		"\x00\x7f":                  `\x00\x7f`,
	} {
		if got := Text(text); got != want || Is(text) != (text == want && utf8.ValidString(text)) {
			t.Errorf("Text(%q) = %q, want %q; Is = %v", text, got, want, Is(text))
		}
	}
}

func TestColumnsKeepTheirPlaces(t *testing.T) {
	const text = "name:\t\x1b[31mred\u202e\u009bü"
	got := Columns(text)
	if want := "name:\t\ufffd[31mred\ufffd\ufffdü"; got != want {
		t.Errorf("Columns = %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("sidecar/users/\x1b[2K\u009b\u202e\n\xff\U000e0001")
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{"Text": Text(s), "Columns": strings.ReplaceAll(Columns(s), "\t", "")} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
				t.Errorf("%s(%q) = %q is not printable", name, s, got)
			}
		}
		encoded, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		safe := JSON(encoded)
		if strings.ContainsFunc(string(safe), func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
			t.Errorf("JSON(%q) = %q is not printable", encoded, safe)
		}
		var want, back string
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(safe, &back); err != nil || back != want {
			t.Errorf("JSON changes %q to %q: %v", want, back, err)
		}
	})
}
