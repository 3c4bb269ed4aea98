package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestManyRoutes checks an edge of 40,000 routes, of which two have the same host and path.
func TestManyRoutes(t *testing.T) {
	_, problems := Parse(manyRoutes(40000, "- {hosts: h1.example.com, path: /p1/, to: a}\n"))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "routed twice") || problems[0].Origin.Line != 40005 {
		t.Errorf("%d problems: %v", len(problems), problems[:min(3, len(problems))])
	}
}

// BenchmarkManyRoutes shows that the work grows with the number of routes and not with its square.
func BenchmarkManyRoutes(b *testing.B) {
	for _, n := range []int{5000, 40000} {
		files := manyRoutes(n, "")
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, problems := Parse(files); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}

func manyRoutes(n int, more string) Files {
	var b strings.Builder
	b.WriteString("kind: Edge\nname: e\nlisteners: 8000\nroutes:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {hosts: h%d.example.com, path: /p%d, to: a}\n", i%(n/10), i)
	}
	b.WriteString(more + "---\nkind: Service\nname: a\nports: 8080\n")
	return Files{"m.yaml": []byte(b.String())}
}

// TestManyWrongNames checks that the search for the nearest name is bounded: a whole folder may call what does not exist.
func TestManyWrongNames(t *testing.T) {
	var b strings.Builder
	b.WriteString("kind: Service\nname: caller\ncalls:\n")
	for i := range 2 * maxSuggestions {
		fmt.Fprintf(&b, "- service-a%d\n", i)
	}
	b.WriteString("---\nkind: Service\nname: service-b\nports: 80\n")
	_, problems := Parse(Files{"m.yaml": []byte(b.String())})
	suggested := 0
	for _, p := range problems {
		if strings.HasPrefix(p.Hint, "did you mean") {
			suggested++
		}
	}
	if len(problems) != 2*maxSuggestions || suggested != maxSuggestions {
		t.Errorf("%d problems, %d with a suggestion: want %d and %d", len(problems), suggested, 2*maxSuggestions, maxSuggestions)
	}
}
