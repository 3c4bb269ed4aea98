// Package state keeps what an agent needs to start again while no server answers: the description of its service or
// edge, its ports, and how its proxy names itself. The relay keeps its copies of configurations in the same folder.
//
// The folder belongs to one process at a time and is private to its user. The package's one invariant: what is loaded is
// what was saved, or an error.
package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/datafolder"
)

// Agent is what is saved.
type Agent struct {
	Service *api.Service `json:"service,omitempty"` // as a server described it last; nil for an edge
	Edge    *api.Edge    `json:"edge,omitempty"`
	// Ports are those that the agent chose itself, by the flag that would choose another, such as "--egress-port 0".
	Ports map[string]int `json:"ports,omitempty"`
	// Address is where callers reach this machine.
	Address netip.Addr `json:"address,omitzero"`
	// Node tells apart the proxyless programs of a service at Address.
	Node string `json:"node,omitempty"`
}

// Names in the folder.
const (
	agentFile    = "agent"
	copies       = "xds"
	xdsSocket    = "xds.sock"
	statusSocket = "status.sock"
)

const (
	format  = "doyen agent 1 "
	maxFile = 4 << 20 // bytes of the file
	// maxSocket is the longest path of a Unix domain socket, in bytes (unix(7): 108 with the zero at its end).
	maxSocket = 107
	// maxAgents bounds how many agents share a default name on one host.
	maxAgents = 64
)

// Folder is the state folder of one agent.
type Folder struct {
	path string
	lock *os.File
}

// Open takes the folder at path until Close, or until the process ends. The folder is made if it is not there.
// holder says who has it; the error of another agent that wants it repeats that.
func Open(path, holder string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := private(path); err != nil {
		return nil, fmt.Errorf("state folder %s: %w", path, err)
	}
	lock, err := datafolder.Lock(path, holder)
	if err != nil {
		return nil, err
	}
	f := &Folder{path, lock}
	if err := os.MkdirAll(f.Copies(), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("state folder: %w", err), lock.Close())
	}
	if len(f.XDSSocket()) > maxSocket || len(f.StatusSocket()) > maxSocket {
		return nil, errors.Join(fmt.Errorf("state folder %s: its sockets would have paths of more than %d bytes: use a shorter one", path, maxSocket), lock.Close())
	}
	return f, nil
}

// Inherit returns the folder at path, an absolute path, that this process has taken before its program was replaced.
// lock is what Lock returned then.
func Inherit(path string, lock *os.File) *Folder { return &Folder{path, lock} }

// Lock is the file whose lock says that this process has the folder. The lock lasts as long as any process has it open.
func (f *Folder) Lock() *os.File { return f.lock }

// OpenFree is Open for the first folder of path, path-2, path-3... that no other agent has.
func OpenFree(path, holder string) (*Folder, error) {
	for n := 1; ; n++ {
		numbered := path
		if n > 1 {
			numbered = fmt.Sprintf("%s-%d", path, n)
		}
		f, err := Open(numbered, holder)
		if !errors.Is(err, datafolder.ErrInUse) || n == maxAgents {
			return f, err
		}
	}
}

// private makes the folder, and wants it to be of this user and closed to others. One that is open to others is closed
// if it is empty or an agent's, but not if it has anything else: it may be /etc, or somebody's home.
func private(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d: want one of user %d", owner.Uid, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	names, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	// A file system of its own has lost+found.
	others := slices.ContainsFunc(names, func(e fs.DirEntry) bool { return e.Name() != "lost+found" })
	if others && !datafolder.IsUsed(path) {
		return fmt.Errorf("other users can open it (mode %04o), and it has files that are not an agent's: want a folder of its own for each agent", info.Mode().Perm())
	}
	return os.Chmod(path, 0o700)
}

// Close gives the folder back.
func (f *Folder) Close() error { return f.lock.Close() }

// Path is the folder's absolute path.
func (f *Folder) Path() string { return f.path }

// Copies is the folder of the relay's copies.
func (f *Folder) Copies() string { return filepath.Join(f.path, copies) }

// XDSSocket is where the relay listens.
func (f *Folder) XDSSocket() string { return filepath.Join(f.path, xdsSocket) }

// StatusSocket is where the agent answers for its status.
func (f *Folder) StatusSocket() string { return StatusSocket(f.path) }

// StatusSocket is where the agent with the state folder at path answers for its status.
func StatusSocket(path string) string { return filepath.Join(path, statusSocket) }

// Copied is when the newest of the relay's copies in the state folder at path was last known to be current; zero when
// there is none.
func Copied(path string) (newest time.Time) {
	files, _ := filepath.Glob(filepath.Join(path, copies, "*")) // an error is a pattern that is no pattern
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}

// Save replaces what was saved.
func (f *Folder) Save(a Agent) error {
	content, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	sum := sha256.Sum256(content)
	content = fmt.Appendf(nil, "%s%x\n%s\n", format, sum, content)
	if err := atomicfile.Write(filepath.Join(f.path, agentFile), content, 0o600); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// Load returns what was saved; nothing when nothing was.
func (f *Folder) Load() (a Agent, err error) {
	name := filepath.Join(f.path, agentFile)
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if err == nil {
		a, err = decode(content)
	}
	if err != nil {
		return Agent{}, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func decode(content []byte) (a Agent, err error) {
	rest, ok := bytes.CutPrefix(content, []byte(format))
	if !ok {
		return a, errors.New("it is no state of an agent, or one of another version")
	}
	text, body, _ := bytes.Cut(rest, []byte("\n"))
	body, whole := bytes.CutSuffix(body, []byte("\n"))
	sum := sha256.Sum256(body)
	if hex.EncodeToString(sum[:]) != string(text) || !whole {
		return a, errors.New("it is damaged: its checksum does not match")
	}
	err = json.Unmarshal(body, &a)
	return a, err
}
