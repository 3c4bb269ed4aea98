package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestManyUnknownFieldsAreCheap(t *testing.T) {
	const count = 2000
	var text strings.Builder
	text.WriteString("kind: Service\nname: users\nports: [80]\n")
	for n := range count {
		fmt.Fprintf(&text, "field%d: 1\n", n)
	}
	var problems int
	allocations := testing.AllocsPerRun(1, func() {
		problems = len(parseFile("a.yaml", []byte(text.String())).documents[0].problems)
	})
	if problems != count {
		t.Errorf("got %d problems, want %d", problems, count)
	}
	if per := allocations / count; per > 60 {
		t.Errorf("an unknown field takes %.0f allocations, want at most 60", per)
	}
}
