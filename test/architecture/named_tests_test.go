package architecture

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// protocolPage is checked by a test of package conformance.
const protocolPage = "docs/xds-protocol.md"

// TestNamedTestsExist checks that every test that another page of the documentation names exists.
func TestNamedTestsExist(t *testing.T) {
	root := os.DirFS("../..")
	exists := map[string]bool{}
	each(t, root, "_test.go", func(_, text string) {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(text, -1) {
			exists[m[1]] = true
		}
	})
	named := 0
	each(t, root, ".md", func(page, text string) {
		if page == protocolPage {
			return
		}
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(text, -1) {
			named++
			if !exists[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	})
	if named == 0 {
		t.Error("no page names a test: this test tests nothing")
	}
}

// each calls do with the name and content of every file of the repository that ends in suffix.
func each(t *testing.T, root fs.FS, suffix string, do func(name, text string)) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, suffix):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err == nil {
			do(name, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
