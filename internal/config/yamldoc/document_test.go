package yamldoc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A compact document reports the same places as the whole one, and has no syntax tree.
func TestCompact(t *testing.T) {
	docs, problems := Read("a.yaml", []byte("kind: A\n---\nkind: B\nname: b\nowner: me\nports: [80, {port: 81}]\n"))
	if problems != nil || len(docs) != 2 {
		t.Fatal(docs, problems)
	}
	whole := docs[1]
	compact := whole.Compact()
	if compact.root != nil || compact.lines != nil || !compact.Readable() {
		t.Errorf("compact: %+v", compact)
	}
	for _, path := range []string{"", "name", "ports[1].port", "ports[7]", "none"} {
		want := whole.At(path, Problem{Message: path})
		for _, d := range []*Document{compact, compact.Expand()} {
			if diff := cmp.Diff(want, d.At(path, Problem{Message: path})); diff != "" {
				t.Errorf("%q (-whole +compact):\n%s", path, diff)
			}
		}
	}
	if whole.At("ports[1].port", Problem{}).Origin.String() != "a.yaml:6:20" {
		t.Errorf("place %v", whole.At("ports[1].port", Problem{}))
	}
}
