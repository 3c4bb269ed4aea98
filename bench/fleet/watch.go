package fleet

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Watchers are clients that ask for assignments by name, in the incremental variant, and note when
// one comes that contains a text, such as an endpoint's address.
type Watchers struct {
	connections
	count   int
	typeURL []byte
	names   []byte
	text    atomic.Pointer[[]byte]
	greeted atomic.Int64 // watchers that were answered once

	mu       sync.Mutex
	arrivals []time.Time
}

// WatchOptions say who the watchers are.
type WatchOptions struct {
	Address       string // of the server
	Count         int
	PerConnection int
	Node          func(number int) []byte // an encoded envoy.config.core.v3.Node
	Type          string
	Names         []string
}

// Watch connects watchers and returns when each was answered. [Watchers.Close] must be called.
func Watch(ctx context.Context, o WatchOptions) (*Watchers, error) {
	w := &Watchers{count: o.Count, typeURL: Delta.typeURL(o.Type)}
	w.Expect("no assignment contains this")
	for _, name := range o.Names {
		w.names = appendField(w.names, Delta.fields().names, []byte(name))
	}
	callers := make([]caller, o.Count)
	for i := range callers {
		node := appendField(nil, Delta.fields().node, o.Node(i))
		callers[i] = &watcher{stream: stream{path: Delta.path()}, watchers: w, node: node}
	}
	if err := w.open(o.Address, callers, o.PerConnection); err != nil {
		return nil, err
	}
	if err := w.wait(ctx, "watchers answered", func() int { return int(w.greeted.Load()) }); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Expect begins to wait for assignments that contain text.
func (w *Watchers) Expect(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals = nil
	encoded := []byte(text)
	w.text.Store(&encoded)
}

// Wait returns when what is expected came at each watcher, and when.
func (w *Watchers) Wait(ctx context.Context) ([]time.Time, error) {
	err := w.wait(ctx, "watchers have it", func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.arrivals)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrivals, err
}

func (w *Watchers) wait(ctx context.Context, what string, have func() int) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for have() < w.count {
		if err := w.err(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d %s: %w", have(), w.count, what, ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}

// watcher is one of them.
type watcher struct {
	stream
	watchers *Watchers
	node     []byte
	nonce    []byte
	greeted  bool
	found    bool
}

func (w *watcher) begin(conn *connection) {
	conn.send(&w.stream, w.node, w.watchers.typeURL, w.watchers.names)
}

func (w *watcher) field(number protowire.Number, value []byte) error {
	switch f := Delta.fields(); number {
	case f.resources:
		w.found = w.found || bytes.Contains(value, *w.watchers.text.Load())
	case f.responseNonce:
		w.nonce = append(w.nonce[:0], value...)
	}
	return nil
}

func (w *watcher) end(conn *connection) error {
	conn.fields = appendField(conn.fields[:0], Delta.fields().nonce, w.nonce)
	conn.send(&w.stream, w.watchers.typeURL, conn.fields)
	if w.found {
		w.watchers.note()
		w.found = false
	}
	if !w.greeted {
		w.greeted = true
		w.watchers.greeted.Add(1)
	}
	return nil
}

func (w *Watchers) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals = append(w.arrivals, time.Now())
}
