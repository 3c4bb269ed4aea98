package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
)

// sidecars are a group of proxies in a process of their own.
type sidecars struct {
	group
	command *exec.Cmd
	in      io.WriteCloser
	write   *json.Encoder
	read    *json.Decoder
}

// startSidecars starts the process, which outlives a row and so its context.
func startSidecars() (*sidecars, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &sidecars{command: exec.Command(self, ChildArgument)}
	s.command.Stderr = os.Stderr
	if s.in, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.write, s.read = json.NewEncoder(s.in), json.NewDecoder(out)
	return s, s.command.Start()
}

// connect connects the proxies and returns when all are in sync.
func (s *sidecars) connect(g group) error {
	s.group = g
	return errors.Join(s.do(command{Open: &g}), s.do(command{Sync: true}))
}

func (s *sidecars) do(c command) error {
	_, err := s.exchange(c)
	return err
}

func (s *sidecars) progress() ([]fleet.Progress, error) {
	said, err := s.exchange(command{})
	return said.Progress, err
}

func (s *sidecars) exchange(c command) (answer, error) {
	var said answer
	if err := s.write.Encode(c); err != nil {
		return said, err
	}
	if err := s.read.Decode(&said); err != nil {
		return said, fmt.Errorf("sidecars: no answer: %w", err)
	}
	if said.Error != "" {
		return said, fmt.Errorf("sidecars: %s", said.Error)
	}
	return said, nil
}

func (s *sidecars) stop() error {
	return errors.Join(s.in.Close(), s.command.Wait())
}

// await returns when each of the given proxies, all for nil, has acknowledged something since the last
// Forget, and when the last of them did. kind is the index of a type, or anyType.
func (s *sidecars) await(ctx context.Context, proxies []int, kind int) (last time.Time, err error) {
	for {
		all, err := s.progress()
		if err != nil {
			return time.Time{}, err
		}
		if last, missing := lastACK(all, proxies, kind); missing == 0 {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("a proxy has acknowledged nothing: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastACK is when the last of the proxies acknowledged something, and how many have not.
func lastACK(all []fleet.Progress, proxies []int, kind int) (last time.Time, missing int) {
	if proxies == nil {
		for i := range all {
			proxies = append(proxies, i)
		}
	}
	var latest int64
	for _, i := range proxies {
		at := acknowledged(all[i], kind)
		latest = max(latest, at)
		if at == 0 {
			missing++
		}
	}
	return time.Unix(0, latest), missing
}

const anyType = -1

func acknowledged(p fleet.Progress, kind int) int64 {
	if kind != anyType {
		return p.Acknowledged[kind]
	}
	var latest int64
	for _, at := range p.Acknowledged {
		latest = max(latest, at)
	}
	return latest
}
