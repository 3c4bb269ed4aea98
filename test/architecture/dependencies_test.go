package architecture

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDependencies requires an entry for every module that go.mod requires directly, and none for others.
func TestDependencies(t *testing.T) {
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for line := range strings.Lines(string(module)) {
		if fields := strings.Fields(line); len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			required[fields[0]] = true
			if !strings.Contains(string(page), "`"+fields[0]+"`") {
				t.Errorf("docs/dependencies.md says nothing of %s", fields[0])
			}
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(page), -1) {
		if !required[row[1]] {
			t.Errorf("docs/dependencies.md has a row for %s, which go.mod does not require directly", row[1])
		}
	}
}
