package suggest

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	names := strings.Fields("payments users user-settings timeout connectTimeout http tcp")
	for text, want := range map[string]string{
		"paymnets":   "payments", // a swap is one edit
		"payment":    "payments",
		"user":       "users",
		"Users":      "users",
		"timeOut":    "timeout",
		"htpp":       "http",
		"setings":    "",
		"x":          "",
		"":           "",
		"completely": "",
	} {
		if got := Nearest(text, names); got != want {
			t.Errorf("Nearest(%q) is %q: want %q", text, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"abc", "acb", 1}, {"abc", "ab", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) is %d: want %d", test.a, test.b, got, test.want)
		}
	}
}
