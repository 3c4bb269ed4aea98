package config

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"a.yaml", "b.yml", "team/deep/c.yaml", "D.YAML",
		"README.md", "a.yaml~", "#a.yaml#", ".a.yaml", ".a.yaml.swp", "4913", "a.yaml.bak", ".git/d.yaml", "..data/e.yaml",
	} {
		write(name)
	}
	for link, to := range map[string]string{"link.yaml": "..data/e.yaml", ".#a.yaml": "user@host.1", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"D.YAML", "a.yaml", "b.yml", "link.yaml", "team/deep/c.yaml"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := string(files["link.yaml"]); got != "..data/e.yaml" {
		t.Errorf("the linked file holds %q", got)
	}
}

// What cannot be read is an error that names it, and never a smaller folder.
func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"link to a folder", func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "etc")) }, "etc is a link to a folder"},
		{"link to nothing", func(dir string) error { return os.Symlink("nowhere", filepath.Join(dir, "a.yaml")) }, "a.yaml is a link to a file that is not there"},
		{"link to itself", func(dir string) error { return os.Symlink("a.yaml", filepath.Join(dir, "a.yaml")) }, "a.yaml"},
		{"huge file", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a.yaml"), bytes.Repeat([]byte("#"), MaxFile+1), 0o644)
		}, "a.yaml has 4194305 bytes: want at most 4194304"},
		{"no folder", func(dir string) error { return os.Remove(dir) }, "there is no such folder"},
		{"a file", func(dir string) error {
			if err := os.Remove(dir); err != nil {
				return err
			}
			return os.WriteFile(dir, nil, 0o644)
		}, "it is not a folder"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "documents")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := test.make(dir); err != nil {
				t.Fatal(err)
			}
			_, _, err := LoadDir(dir)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("error %v: want %q and the folder's name", err, test.want)
			}
		})
	}
}

// growing is a folder whose file is described as small and has become large when it is opened.
type growing struct{ fstest.MapFS }

func (g growing) Open(name string) (fs.File, error) {
	if name != "a.yaml" {
		return g.MapFS.Open(name)
	}
	return fstest.MapFS{name: {Data: bytes.Repeat([]byte("#"), MaxFile+1)}}.Open(name)
}

// TestFileGrows reads a file that grows after its size was checked.
func TestFileGrows(t *testing.T) {
	_, _, err := Load(growing{fstest.MapFS{"a.yaml": {Data: []byte(payments)}}})
	if err == nil || !strings.Contains(err.Error(), "a.yaml has more than 4194304 bytes") {
		t.Errorf("error %v: want one that says that the file is too large", err)
	}
}

// TestUnread finds JSON files that look like documents, and no others.
func TestUnread(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users.json": `{"kind": "Service", "name": "users"}`, "team/web.JSON": `{"name": "web", "kind": "Edge"}`,
		"schema.json": `{"$id": "doyen.schema.json", "type": "object"}`, "pod.json": `{"kind": "Pod"}`, "broken.json": `{"kind": "Service"`,
		"list.json": `[1]`, ".hidden/users.json": `{"kind": "Service"}`, "users.yaml": payments,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"team/web.JSON", "users.json"}, Unread(dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestLoadOfAnyFileSystem(t *testing.T) {
	s, problems, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(payments)}})
	if err != nil || problems != nil || s.Counts.Services != 1 {
		t.Errorf("snapshot %v, problems %v, error %v", s, problems, err)
	}
}

// Bytes that are no text, in files that golden files cannot hold.
func TestNotText(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
	}{
		{"latin-1", "kind: Service\nname: caf\xe9\n", "a.yaml:2:10: the file is not UTF-8 text: byte 0xe9"},
		{"utf-16", "\xff\xfek\x00", "a.yaml:1:1: the file is not UTF-8 text: byte 0xff"},
		{"cut off rune", "kind: Service\nowner: é\xc3", "a.yaml:2:9: the file is not UTF-8 text: byte 0xc3"},
		{"nul", "kind: \x00", "a.yaml:1:7: the file is not text: control character U+0000"},
		{"lone carriage return", "kind: Service\r\nname: a\rowner: b\n", "a.yaml:2:8: the file is not text: control character U+000D"},
		{"line separator", "kind: Service\u2028name: a\n", "a.yaml:1:14: the file is not text: control character U+2028"},
		{"escape", "kind: Service\n# \x1b[31m\n", "a.yaml:2:3: the file is not text: control character U+001B"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := Parse(Files{"a.yaml": []byte(test.text)})
			if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), test.want) {
				t.Errorf("problems %v: want one, %s", problems, test.want)
			}
		})
	}
}

func TestEmptyFolder(t *testing.T) {
	s, problems := Parse(Files{})
	if s != nil || len(problems) != 1 {
		t.Errorf("snapshot %v, problems %v: want one problem", s, problems)
	}
}
