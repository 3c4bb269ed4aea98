package share_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
)

// run runs a registry that shares until the benchmark calls the function that it returns.
func run(b *testing.B, engine share.Engine) (*registry.Registry, *share.Sharer, func()) {
	b.Helper()
	r, err := registry.New(b.Context(), registry.Options{Shared: true})
	if err != nil {
		b.Fatal(err)
	}
	s := share.New(r, engine, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	running.Go(func() { _ = s.Run(ctx) })
	return r, s, func() { cancel(); running.Wait() }
}

// BenchmarkServerThatKnowsNothing starts a server beside a store of 100,000 instances of 2,000 services.
func BenchmarkServerThatKnowsNothing(b *testing.B) {
	engine := sharetest.NewMemory()
	r, s, stop := run(b, engine)
	<-s.Synced()
	for n := range 100_000 {
		i := instance(mesh.ServiceName(fmt.Sprintf("service-%d", n%2000)), n)
		if _, err := r.CheckIn(b.Context(), i); err != nil {
			b.Fatal(err)
		}
	}
	for s.Status().Unwritten > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	b.ResetTimer()
	for range b.N {
		_, s, stop := run(b, engine)
		<-s.Synced()
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
