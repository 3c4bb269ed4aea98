package conformance

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProtocolPage checks that the page on the protocol has every rule once, in order, and that the tests that it
// names exist.
func TestProtocolPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/xds-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (C\d{3}) \|(.*)\|$`).FindAllSubmatch(text, -1)
	var numbers, want []string
	for i := range 120 {
		want = append(want, fmt.Sprintf("C%03d", i+1))
	}
	tests := testsIn(t, "../..")
	name := regexp.MustCompile("`((?:Test|Fuzz)[^`]*)`")
	for _, row := range rows {
		numbers = append(numbers, string(row[1]))
		if strings.Contains(string(row[2]), "left out") {
			continue
		}
		named := name.FindAllSubmatch(row[2], -1)
		if len(named) == 0 {
			t.Errorf("%s names no test and does not say that it is left out", row[1])
		}
		for _, test := range named {
			if !exists(tests, string(test[1])) {
				t.Errorf("%s names %s, which does not exist", row[1], test[1])
			}
		}
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("the rules are %v, want %s to %s", numbers, want[0], want[len(want)-1])
	}
}

// exists reports whether there is a test of that name. The scripts of the protocol core are files.
func exists(tests map[string]bool, name string) bool {
	test, script, isScript := strings.Cut(name, "/")
	if isScript {
		_, err := os.Stat("../../xds/testdata/script/" + script + ".txt")
		return err == nil && tests[test]
	}
	return tests[test]
}

// testsIn returns the names of all tests and fuzz targets under a folder.
func testsIn(t *testing.T, root string) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == ".cache" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(text, -1) {
			tests[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
