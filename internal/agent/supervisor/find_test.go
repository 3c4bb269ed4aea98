package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeEnvoy writes a program that answers --version with that line.
func fakeEnvoy(t *testing.T, line string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+line+"'\n"), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindEnvoyJudgesWhatItFinds(t *testing.T) {
	const good = "envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL"
	tests := []struct {
		name    string
		path    string
		version string
		warning string
		err     string
	}{
		{"the tested one", fakeEnvoy(t, good, 0o755), "1.40.0", "", ""},
		{"a newer one", fakeEnvoy(t, "envoy  version: 9e55/1.41.2/Clean/RELEASE/BoringSSL", 0o755), "1.41.2", "tested with Envoy 1.40", ""},
		{"a build between versions", fakeEnvoy(t, "envoy  version: 9e55/1.41.0-dev/Modified/DEBUG/BoringSSL", 0o755), "1.41.0", "tested with Envoy 1.40", ""},
		{"too old", fakeEnvoy(t, "envoy  version: 9e55/1.20.0/Clean/RELEASE/BoringSSL", 0o755), "", "", "is version 1.20.0: want 1.36 or newer"},
		{"another program", fakeEnvoy(t, "nginx version: 1.40.0", 0o755), "", "", "is not an Envoy"},
		{"not executable", fakeEnvoy(t, good, 0o644), "", "", "is not executable"},
		{"a folder", t.TempDir(), "", "", "is a folder"},
		{"nothing there", filepath.Join(t.TempDir(), "envoy"), "", "", "there is no such file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := FindEnvoy(t.Context(), test.path)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error = %v, want one that contains %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != test.version || !strings.Contains(got.Warning, test.warning) || (test.warning == "") != (got.Warning == "") {
				t.Errorf("got %+v, want version %s and warning %q", got, test.version, test.warning)
			}
		})
	}
}

func TestFindEnvoyLooksOnPath(t *testing.T) {
	path := fakeEnvoy(t, "envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL", 0o755)
	t.Setenv("PATH", filepath.Dir(path))
	got, err := FindEnvoy(t.Context(), "")
	if err != nil || got.Path != path {
		t.Errorf("got %+v, %v, want %s", got, err, path)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := FindEnvoy(t.Context(), ""); !errors.Is(err, ErrNoEnvoy) {
		t.Errorf("error = %v, want ErrNoEnvoy", err)
	}
}
