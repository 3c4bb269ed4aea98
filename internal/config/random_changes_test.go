package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRandomChanges changes a folder at random. However it came about, the folder has the snapshot and the problems
// that it has for a parser that sees it for the first time.
func TestRandomChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	name := func() string { return string(rune('a' + random.IntN(9))) }
	document := func() string {
		switch random.IntN(20) {
		case 0:
			return fmt.Sprintf("kind: External\nname: %s\nprotocol: tcp\nhost: db.example.com\nport: %d\n", name(), 5432+random.IntN(2))
		case 1:
			return fmt.Sprintf("kind: Edge\nname: %s\nlisteners: 8000\nroutes: [{path: /x, to: %s}, {path: /y, to: %s}]\n", name(), name(), name())
		case 2:
			return fmt.Sprintf("kind: Mesh\nname: m\nbounds: {maxTimeout: %ds}\n", 5+30*random.IntN(2))
		case 3:
			return []string{"kind: [", "kind: Service\nports: 8080\n", "kind: Servize\nname: a\n", ""}[random.IntN(4)]
		default:
			calls := ""
			if random.IntN(3) == 0 {
				calls = fmt.Sprintf("calls: {to: %s, traffic: {timeout: %ds}}\n", name(), 1+10*random.IntN(2))
			}
			return fmt.Sprintf("kind: Service\nname: %s\nports: 8080%s\n%s", name(), []string{"", "/tcp"}[random.IntN(2)], calls)
		}
	}
	var p Parser
	var texts Texts
	valid := 0
	for step := range 500 {
		file := fmt.Sprintf("%d.yaml", random.IntN(6))
		switch random.IntN(6) {
		case 0, 1:
			texts = texts.Without(file)
		case 2:
			texts = texts.With(file, document()+"---\n"+document())
		default:
			texts = texts.With(file, strings.Repeat("# comment\n", random.IntN(2))+document())
		}
		got, problems := p.Parse(texts)
		want, wantProblems := new(Parser).Parse(texts)
		if diff := cmp.Diff(wantProblems, problems); diff != "" {
			t.Fatalf("step %d: problems (-at once +step by step):\n%s", step, diff)
		}
		if diff := cmp.Diff(want, got, asMaps); diff != "" {
			t.Fatalf("step %d: snapshots (-at once +step by step):\n%s", step, diff)
		}
		if got != nil {
			valid++
		}
	}
	if valid < 30 {
		t.Errorf("%d of the folders were valid: too few to show anything", valid)
	}
}

// TestParsingFollowsChange counts what is decoded and checked when one of many documents changes: itself and those that
// refer to it.
func TestParsingFollowsChange(t *testing.T) {
	for _, size := range []int{100, 2000} {
		var p Parser
		texts := shopFiles(size).Texts()
		first, problems := p.Parse(texts)
		if problems != nil {
			t.Fatal(problems)
		}
		if want := (work{size, size}); p.work != want {
			t.Errorf("of %d documents: first %v, want %v", size, p.work, want)
		}
		for _, test := range []struct {
			name, file, old, fresh string
			want                   work
		}{
			{"a timeout", "services/s7.yaml", "timeout: 2s", "timeout: 3s", work{1, 3}}, // s6 and s5 call it
			{"a comment", "services/s7.yaml", "# service", "# Service", work{1, 1}},
			{"a route's service", "services/s0.yaml", "timeout: 2s", "timeout: 3s", work{1, 4}},
		} {
			texts, p.work = texts.With(test.file, strings.Replace(texts.Get(test.file), test.old, test.fresh, 1)), work{}
			next, problems := p.Parse(texts)
			if problems != nil {
				t.Fatal(problems)
			}
			if p.work != test.want {
				t.Errorf("of %d documents: %s: %v, want %v", size, test.name, p.work, test.want)
			}
			if changes := len(next.Documents.ChangesSince(&first.Documents)); changes > 2 {
				t.Errorf("of %d documents: %s: %d changes", size, test.name, changes)
			}
		}
	}
}
