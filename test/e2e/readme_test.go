package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme checks that the manifests in the README are those of the example, that doyen reports the mistakes as
// shown, and that the files to which it links exist.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)

	shop := t.TempDir()
	if err := os.CopyFS(shop, os.DirFS("../../examples/shop")); err != nil {
		t.Fatal(err)
	}
	manifests := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(manifests) != 3 {
		t.Errorf("the README shows %d manifests: want three", len(manifests))
	}
	for _, m := range manifests {
		name := regexp.MustCompile(`(?m)^name: (\S+)$`).FindStringSubmatch(m[1])[1]
		file := map[string]string{"shop": "mesh"}[name]
		if file == "" {
			file = name
		}
		example, err := os.ReadFile(filepath.Join(shop, file+".yaml"))
		if err != nil || string(example) != m[1] {
			t.Errorf("the manifest of %s is not that of the example (%v)", name, err)
		}
	}

	users := filepath.Join(shop, "users.yaml")
	manifest, err := os.ReadFile(users)
	if err != nil {
		t.Fatal(err)
	}
	mistaken := strings.NewReplacer("payments, traffic", "payment, traffic", "timeout: 2s", "timeout: 90s").Replace(string(manifest))
	if err := os.WriteFile(users, []byte(mistaken), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(doyen, "validate", shop).CombinedOutput()
	if err == nil || !strings.Contains(readme, "$ doyen validate examples/shop\n"+string(said)) {
		t.Errorf("the README does not show what doyen says of the mistakes:\n%s", said)
	}

	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join("../..", link[1])); err != nil {
			t.Errorf("link: %v", err)
		}
	}
}
