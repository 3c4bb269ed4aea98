package lease

import (
	"context"
	"net/http"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

const (
	// watchWait is how long one call waits for a change.
	watchWait = 5 * time.Minute
	// returnSpread is the time over which agents check in again with a server that does not know them.
	returnSpread = 2 * time.Second
	// lastReconnect bounds the pause between tries to reach a server that is away.
	lastReconnect = time.Second
)

// Watcher is what a Watch needs of the registry.
type Watcher interface {
	WatchInstance(ctx context.Context, key registry.Key, after string, wait time.Duration) (api.Shown, bool, error)
}

// Watch makes one long-polling call after another to learn what the server knows about the instance: that the
// instance is not registered, that another one has its address, or that its manifest has changed. When a call
// ends early, the server has stopped.
type Watch struct {
	registry        Watcher
	lease           *Lease
	manifestChanged func() // must not block
}

// NewWatch returns a watch of the instance that l keeps checked in.
func NewWatch(r Watcher, l *Lease, manifestChanged func()) *Watch {
	return &Watch{registry: r, lease: l, manifestChanged: manifestChanged}
}

// Run watches until ctx ends, and returns nil.
func (w *Watch) Run(ctx context.Context) error {
	var last api.Shown
	retry := backoff.Backoff{First: firstRetry, Last: lastReconnect}
	for ctx.Err() == nil {
		shown, changed, err := w.once(ctx, last.Version)
		switch {
		case ctx.Err() != nil:
			return nil
		case httpapi.IsStatus(err, http.StatusNotFound):
			last = api.Shown{Manifest: last.Manifest}
			if w.lease.isCheckedIn() && backoff.Sleep(ctx, backoff.Jitter(returnSpread, 1)) {
				w.lease.Renew() // the server has lost its data, or the instance has left by another hand
			}
			backoff.Sleep(ctx, retry.Pause())
		case err != nil:
			backoff.Sleep(ctx, retry.Pause())
		case changed:
			retry.Reset()
			w.take(last, shown)
			last = shown
		default:
			retry.Reset()
		}
	}
	return nil
}

func (w *Watch) once(ctx context.Context, after string) (api.Shown, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, watchWait+callTimeout)
	defer cancel()
	return w.registry.WatchInstance(ctx, w.lease.wanted().Key, after, watchWait)
}

// take acts on a change of what the server knows.
func (w *Watch) take(last, shown api.Shown) {
	if shown.Manifest != last.Manifest {
		w.manifestChanged()
	}
	if !w.lease.isKnownAs(shown.Instance) {
		w.lease.Renew() // the answer says who has the address
	}
}
