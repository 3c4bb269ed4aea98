package reference

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated files")

// The generated files must be what the types say now.
func TestGeneratedFiles(t *testing.T) {
	page, err := Page(os.DirFS("../../../examples/shop"))
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"../../../docs/reference/configuration.md": page,
		"../../../docs/reference/schema.json":      string(Schema()),
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is stale (-want +got): run go test ./internal/config/reference -update\n%s", file, diff)
		}
	}
}
