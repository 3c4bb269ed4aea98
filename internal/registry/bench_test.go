package registry_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/diskstore"
)

// filled returns a registry with n instances in services of ten, stored on disk.
func filled(b *testing.B, n int) (*registry.Registry, []registry.Instance) {
	b.Helper()
	store, err := diskstore.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	r := run(b, registry.Options{Store: store})
	all := make([]registry.Instance, n)
	var next atomic.Int64
	b.SetParallelism(registry.MaxBatch)
	for n := range all {
		all[n] = instance(mesh.ServiceName(fmt.Sprintf("s%d", n/10)), n)
	}
	// Together, as a fleet does after the loss of its registry.
	done := make(chan struct{})
	for range registry.MaxBatch {
		go func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				checkIn(b, r, all[i])
			}
			done <- struct{}{}
		}()
	}
	for range registry.MaxBatch {
		<-done
	}
	return r, all
}

// BenchmarkRenew renews leases of 10,000 instances.
func BenchmarkRenew(b *testing.B) {
	r, all := filled(b, 10_000)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := r.CheckIn(b.Context(), all[n%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange changes one of 10,000 instances at a time, each flushed to the disk.
func BenchmarkChange(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", size), func(b *testing.B) {
			r, all := filled(b, size)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				i := all[n%len(all)]
				i.Weight = uint32(1 + n%900)
				if _, err := r.CheckIn(b.Context(), i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChangeTogether changes instances from many callers, who share the flushes.
func BenchmarkChangeTogether(b *testing.B) {
	r, all := filled(b, 10_000)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1)
			i := all[n%int64(len(all))]
			i.Weight = uint32(1 + n%900)
			if _, err := r.CheckIn(b.Context(), i); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
