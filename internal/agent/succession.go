package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/agent/lease"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/handover"
	"github.com/doyen-mesh/doyen/internal/process"
)

// Succession is how an agent replaces its own program while its application and its Envoy run on.
type Succession struct {
	// Inherited is what the program before this one has handed over; nil for a start as usual.
	Inherited *handover.Received
	Thread    *process.Thread // starts the programs that are to run on
	Requests  <-chan struct{} // asks the agent to replace its program
}

// Names of the files that are handed over. Those of programs' pipes are numbered.
const (
	lockFile          = "lock"
	relayFile         = "relay"
	statusFile        = "status"
	applicationOutput = "application"
	envoyOutput       = "envoy"
)

// kept is what an agent hands over.
type kept struct {
	Folder string       `json:"folder,omitempty"` // of its state; "" for none
	State  state.Agent  `json:"state"`            // from which its programs were started
	Status status.Agent `json:"status"`
	Envoy  *envoy       `json:"envoy,omitempty"` // nil for none that runs
	Member *keptMember  `json:"member,omitempty"`
}

// keptMember is what only an agent of an instance hands over.
type keptMember struct {
	Application program      `json:"application"`
	Stranger    stranger     `json:"stranger,omitempty"`
	Manifest    *api.Service `json:"manifest"` // as it was followed last
	Conditions  health.Kept  `json:"conditions"`
	Lease       *lease.Kept  `json:"lease,omitempty"` // nil for an instance that is not called
}

// program is one that runs on.
type program struct {
	PID     int `json:"pid"`
	Outputs int `json:"outputs"` // number of pipes
}

// envoy is an Envoy that runs on.
type envoy struct {
	program
	supervisor.Identity
}

// succession is the part of a host that replaces the program.
type succession struct {
	*Succession
	inherited *kept           // from the program before; nil for none
	asked     chan chan error // over the status socket: the answer is nil when the program will be replaced
	program   handover.Program
	offer     handover.Offer
	settled   func() error                    // why the program cannot be replaced yet
	files     func(map[string]*os.File) error // adds further files to hand over; nil adds none
}

// receive decodes what was handed over.
func (s *succession) receive() error {
	if s.Succession == nil || s.Inherited == nil {
		return nil
	}
	s.inherited = &kept{}
	if err := json.Unmarshal(s.Inherited.Content, s.inherited); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	return nil
}

// take returns a program that was handed over; nil for none.
func (s *succession) take(r *program, name string) (*process.Released, error) {
	if r == nil {
		return nil, nil
	}
	released := &process.Released{PID: r.PID}
	for n := range r.Outputs {
		file, err := s.Inherited.Take(fmt.Sprintf("%s %d", name, n))
		if err != nil {
			return nil, err
		}
		released.Outputs = append(released.Outputs, file)
	}
	return released, nil
}

// takeEnvoy returns an Envoy that was handed over; nil for none.
func (s *succession) takeEnvoy(from *envoy) (*supervisor.Running, error) {
	if from == nil {
		return nil, nil
	}
	r, err := s.take(&from.program, envoyOutput)
	if err != nil {
		return nil, err
	}
	return &supervisor.Running{Identity: from.Identity, Released: *r}, nil
}

// giveEnvoy hands over an Envoy that was released.
func (s *succession) giveEnvoy(r *supervisor.Running) *envoy {
	if r == nil {
		return nil
	}
	return &envoy{*s.give(&r.Released, envoyOutput), r.Identity}
}

// give hands over a program that was released.
func (s *succession) give(r *process.Released, name string) *program {
	if r == nil {
		return nil
	}
	for n, file := range r.Outputs {
		s.offer.Files[fmt.Sprintf("%s %d", name, n)] = file
	}
	return &program{PID: r.PID, Outputs: len(r.Outputs)}
}

// excuse returns nil for a program that is missing while it runs: it was started before this agent's program was
// replaced, and is needed again only when it ends.
func (o HostOptions) excuse(err error) error {
	if err == nil || o.Succession == nil || o.Succession.Inherited == nil {
		return err
	}
	o.Log.Error("a program that runs could not be started again", "error", err)
	return nil
}

// thread starts programs that are to run on; nil if none is.
func (h *host) thread() *process.Thread {
	if h.succession.Succession == nil {
		return nil
	}
	return h.succession.Thread
}

// succeed waits until the agent is asked to replace its program. It returns process.ErrReleased once that is possible: the
// program that follows runs and reads what this one hands over. Otherwise nothing changes.
func (h *host) succeed(ctx context.Context) error {
	for {
		answer := make(chan error, 1)
		select {
		case <-h.succession.Requests:
		case answer = <-h.succession.asked:
		case <-ctx.Done():
			return nil
		}
		version, err := h.prepare(ctx)
		answer <- err
		if err == nil {
			h.Log.Info("this agent's program is being replaced", "version", version, "path", h.succession.program.Path)
			return process.ErrReleased
		}
		if ctx.Err() != nil {
			return nil
		}
		h.Log.Error("this agent goes on as it is: its program cannot be replaced", "error", err)
	}
}

// prepare looks whether the program can be replaced, and returns the version of the one that would follow.
func (h *host) prepare(ctx context.Context) (version string, err error) {
	s := &h.succession
	if err := s.settled(); err != nil {
		return "", err
	}
	if s.program, err = handover.Successor(); err != nil {
		return "", err
	}
	if version, err = s.program.Check(ctx); err != nil {
		return "", err
	}
	s.offer.Files = map[string]*os.File{}
	if h.folder == nil {
		return version, nil
	}
	s.offer.Files[lockFile] = h.folder.Lock()
	for i, name := range []string{relayFile, statusFile} {
		listener, ok := h.sockets[i].(*net.UnixListener)
		if !ok {
			return "", errors.New("its sockets cannot be handed over")
		}
		if s.offer.Files[name], err = listener.File(); err != nil {
			return "", fmt.Errorf("socket of the %s: %w", name, err)
		}
		listener.SetUnlinkOnClose(false)
	}
	if s.files != nil {
		return version, s.files(s.offer.Files)
	}
	return version, nil
}

// replace replaces the program after its parts have let go. It returns if that is impossible.
func (h *host) replace(ctx context.Context, k kept) error {
	k.Status = h.now()
	k.Status.Clients = nil
	if h.folder != nil {
		k.Folder = h.folder.Path()
	}
	h.succession.offer.Content, h.succession.offer.Stopping = k, ctx.Err() != nil
	return h.succession.program.Exec(h.succession.Thread, h.succession.offer)
}

// resume takes over what the program before has handed over.
func (h *host) resume() (err error) {
	k := h.succession.inherited
	h.saved = k.State
	before := h.status
	h.status = k.Status
	h.status.Version, h.status.Server, h.status.XDS = before.Version, before.Server, before.XDS
	h.status.Upgrades++
	h.status.Upgraded = time.Now()
	h.Log.Info("going on with the programs that run", "version", h.Version, "before", k.Status.Version)
	if k.Folder == "" {
		return nil
	}
	lock, err := h.succession.Inherited.Take(lockFile)
	if err != nil {
		return err
	}
	h.folder = state.Inherit(k.Folder, lock)
	for i, name := range []string{relayFile, statusFile} {
		file, err := h.succession.Inherited.Take(name)
		if err != nil {
			return err
		}
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a descriptor of its own
		if err != nil {
			return fmt.Errorf("socket of the %s: %w", name, err)
		}
		if unix, ok := listener.(*net.UnixListener); ok {
			unix.SetUnlinkOnClose(true)
		}
		h.sockets[i] = listener
	}
	return nil
}
