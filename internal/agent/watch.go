package agent

import (
	"context"
	"errors"
	"net/http"
	"time"

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

// watcher is what a watch needs of the registry.
type watcher interface {
	WatchInstance(ctx context.Context, key registry.Key, after string, wait time.Duration) (api.Shown, bool, error)
}

// watch makes one long-polling call after another to learn what the server knows about the instance: that the
// instance is not registered, that another one has its address, or that its manifest has changed. When a call
// ends early, the server has stopped.
type watch struct {
	registry        watcher
	lease           *lease
	manifestChanged func() // must not block
}

// Run watches until ctx ends.
func (w *watch) Run(ctx context.Context) {
	var last api.Shown
	retry := backoff{first: firstRetry, last: lastReconnect}
	for ctx.Err() == nil {
		shown, changed, err := w.once(ctx, last.Version)
		switch {
		case ctx.Err() != nil:
			return
		case isStatus(err, http.StatusNotFound):
			last = api.Shown{Manifest: last.Manifest}
			if w.lease.isCheckedIn() && sleep(ctx, jitter(returnSpread, 1)) {
				w.lease.renew() // the server has lost its data, or the instance has left by another hand
			}
			sleep(ctx, retry.pause())
		case err != nil:
			sleep(ctx, retry.pause())
		case changed:
			retry.reset()
			w.take(last, shown)
			last = shown
		default:
			retry.reset()
		}
	}
}

func (w *watch) once(ctx context.Context, after string) (api.Shown, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, watchWait+callTimeout)
	defer cancel()
	return w.registry.WatchInstance(ctx, w.lease.wanted().Key, after, watchWait)
}

// take acts on a change of what the server knows.
func (w *watch) take(last, shown api.Shown) {
	if shown.Manifest != last.Manifest {
		w.manifestChanged()
	}
	if !w.lease.isKnownAs(shown.Instance) {
		w.lease.renew() // the answer says who has the address
	}
}

func isStatus(err error, status int) bool {
	var refused *httpapi.Refused
	return errors.As(err, &refused) && refused.Status == status
}
