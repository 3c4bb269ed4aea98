package secrets

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/relay"
	"github.com/doyen-mesh/doyen/xds"
)

// hanging is a relay that is never done, in place of a file system that does not answer.
type hanging struct{ over chan struct{} }

func (h hanging) Named() ([]*xds.Resource, <-chan struct{}) {
	<-h.over
	return nil, nil
}

func (hanging) Provide(map[relay.Key]relay.Content) {}

// TestEndWhileNothingAnswers: an agent ends although a look at its files does not.
func TestEndWhileNothingAnswers(t *testing.T) {
	h := hanging{make(chan struct{})}
	defer close(h.over)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error)
	go func() { ended <- New(h, slog.New(slog.DiscardHandler)).Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it has not ended")
	}
}

// TestFileThatMakesReadersWait: the kernel's log looks like a regular file, and reading it waits for the next message.
func TestFileThatMakesReadersWait(t *testing.T) {
	const name = "/proc/kmsg"
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	read := make(chan error, 1)
	go func() {
		_, err := readFile(name)
		read <- err
	}()
	select {
	case err := <-read:
		if err == nil {
			t.Error("it was read")
		}
	case <-time.After(20 * time.Second):
		t.Error("reading it does not end")
	}
}
