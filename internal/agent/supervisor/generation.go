package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/process"
)

// maxBaseID bounds the numbers by which Envoys of one machine tell apart their families, as Envoy's own choice does.
const maxBaseID = 1 << 28

// sharedMemory is where Envoys of one family share memory for a hot restart.
const sharedMemory = "/dev/shm"

// parentGrace is how long an Envoy runs on after its drain time.
const parentGrace = 5 * time.Second

// Identity is what an Envoy's successors need to know of it.
type Identity struct {
	Base    uint32 `json:"base"`    // of its family; 0 for one that cannot be hot restarted
	Epoch   int    `json:"epoch"`   // how many of its family were before it
	Command string `json:"command"` // a hash of the program and its arguments
}

// Running is an Envoy that runs on while the agent's program is replaced.
type Running struct {
	Identity
	process.Released
}

// generation is one process of Envoy.
type generation struct {
	Identity
	*process.Process
}

// startFirst starts an Envoy without a parent.
func (e *Envoy) startFirst() (generation, error) {
	id := Identity{Command: e.fingerprint()}
	if canShareMemory(e.Args) {
		id.Base = 1 + rand.Uint32N(maxBaseID-1)
	}
	return e.start(id)
}

// start starts an Envoy. With an epoch, the one before it hands over its sockets and drains.
func (e *Envoy) start(id Identity) (generation, error) {
	e.forget(id.Base)
	e.drainCallers(id.Epoch, false)
	child, err := process.Start(e.command(id))
	return generation{id, child}, err
}

// command is that of an Envoy.
func (e *Envoy) command(id Identity) process.Command {
	args := append([]string{"--config-yaml", e.bootstraps[id.Epoch%len(e.bootstraps)]}, e.arguments...)
	if id.Base == 0 {
		args = append(args, "--disable-hot-restart")
	} else {
		drain := max(1, int(e.DrainTimeout.Seconds()))
		args = append(args, "--base-id", strconv.Itoa(int(id.Base)), "--restart-epoch", strconv.Itoa(id.Epoch),
			"--drain-time-s", strconv.Itoa(drain), "--parent-shutdown-time-s", strconv.Itoa(drain+int(parentGrace.Seconds())))
	}
	return process.Command{Path: e.Path, Args: append(args, e.Args...), Group: e.Group, Stdout: e.lines, Stderr: e.lines, Thread: e.Thread, MaxFiles: true}
}

// drainFile is the file by which the Envoy of an epoch is drained; "" for none. See bootstrap.Options.
func (e *Envoy) drainFile(epoch int) string {
	if e.Folder == "" {
		return ""
	}
	return filepath.Join(e.Folder, fmt.Sprintf("envoy-drain-%d", epoch%len(e.bootstraps)))
}

// drainCallers makes the Envoy of an epoch ask all its callers to leave, or says that it is not to.
func (e *Envoy) drainCallers(epoch int, drain bool) {
	content := []byte("0")
	if drain {
		content = []byte("1")
	}
	if file := e.drainFile(epoch); file != "" {
		if err := atomicfile.Write(file, content, 0o600); err != nil {
			e.Log.Warn("a file for envoy cannot be written: callers with long streams are not asked to leave when envoy is replaced", "error", err)
		}
	}
}

// forget removes the memory of a family that is over, when the next one is base. Envoy itself leaves it.
func (e *Envoy) forget(base uint32) {
	if e.base != 0 && e.base != base {
		_ = os.Remove(filepath.Join(sharedMemory, fmt.Sprintf("envoy_shared_memory_%d", uint64(e.base)*10))) // may be gone
	}
	e.base = base
}

// fingerprint tells apart Envoys by the program, as a file, and its arguments.
func (e *Envoy) fingerprint() string {
	sum := sha256.New()
	if path, err := exec.LookPath(e.Path); err == nil {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(sum, info.Size(), info.ModTime().UnixNano())
		}
	}
	fmt.Fprintf(sum, "%q", slices.Concat(e.bootstraps[:1], e.arguments, e.Args))
	return hex.EncodeToString(sum.Sum(nil))
}

// canShareMemory reports whether an Envoy with these arguments can be hot restarted: arguments do not choose otherwise,
// and there is a place for the memory that Envoys of one family share.
func canShareMemory(args []string) bool {
	chosen := slices.ContainsFunc(args, func(a string) bool {
		return strings.HasPrefix(a, "--disable-hot-restart") || strings.HasPrefix(a, "--base-id") ||
			strings.HasPrefix(a, "--use-dynamic-base-id") || strings.HasPrefix(a, "--restart-epoch")
	})
	if chosen {
		return false
	}
	file, err := os.CreateTemp(sharedMemory, "doyen")
	if err != nil {
		return false
	}
	return file.Close() == nil && os.Remove(file.Name()) == nil
}

// hotRestartVersion asks an Envoy which others can take over from it.
func hotRestartVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--hot-restart-version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s --hot-restart-version: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}
