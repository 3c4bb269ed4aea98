package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/httpapi"
)

// Pauses between questions to a server.
const (
	firstAsk = 250 * time.Millisecond
	lastAsk  = time.Second
)

// documentGrace is how long after an agent's start a server's word that there is no such document is not
// believed yet: it takes a moment to read what was written just before, longer on a busy machine. It is less
// than headStart, so that a program without a document does not start.
const documentGrace = 2500 * time.Millisecond

// headStart is how long a start waits for a server's word and for Envoy to be ready.
const headStart = 3 * time.Second

// callTimeout bounds one call of the server.
const callTimeout = 5 * time.Second

// description is what a server said that a service or edge is, or its refusal to: it is in no document.
type description[T any] struct {
	what T
	err  error
}

// asking asks a server again and again what a service or edge is.
type asking[T any] struct {
	answers chan description[T] // only answers come through it, not that there was none
	silent  chan struct{}       // closes when the first question was not answered, or not at once
	stop    func()
}

// silence is how long a server may take to answer the first question before what the agent has on disk is used.
const silence = 500 * time.Millisecond

func startAsking[T any](log *slog.Logger, ask func(context.Context) (T, error)) asking[T] {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	a := asking[T]{answers: make(chan description[T]), silent: make(chan struct{}), stop: func() {
		cancel()
		group.Wait()
	}}
	group.Go(func() { a.run(ctx, log, ask) })
	return a
}

func (a asking[T]) run(ctx context.Context, log *slog.Logger, ask func(context.Context) (T, error)) {
	retry, told := backoff.Backoff{First: firstAsk, Last: lastAsk}, false
	started := time.Now()
	isSilent := sync.OnceFunc(func() { close(a.silent) })
	late := time.AfterFunc(silence, isSilent)
	defer late.Stop()
	for {
		d := askOnce(ctx, ask)
		late.Stop()
		switch {
		case ctx.Err() != nil:
			return
		case d.err == nil, answered(d.err) && time.Since(started) >= documentGrace:
			select {
			case a.answers <- d:
			case <-ctx.Done():
				return
			}
		default:
			if answered(d.err) {
				retry.Reset() // the document may be read any moment
			} else {
				isSilent()
			}
			if !told {
				log.Warn("waiting for the server to describe this service or edge", "error", d.err)
				told = true
			}
		}
		if !backoff.Sleep(ctx, retry.Pause()) {
			return
		}
	}
}

func askOnce[T any](ctx context.Context, ask func(context.Context) (T, error)) description[T] {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	what, err := ask(ctx)
	return description[T]{what, err}
}

// answered reports whether err is the word of a server that is well.
func answered(err error) bool {
	var refused *httpapi.Refused
	return errors.As(err, &refused) && refused.Status < http.StatusInternalServerError
}
