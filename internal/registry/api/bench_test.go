package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// BenchmarkRenewOverHTTP renews the leases of 10,000 instances; with check-ins each minute
// that is a load of 167 a second. Server and callers share the processors.
func BenchmarkRenewOverHTTP(b *testing.B) {
	r, err := registry.New(b.Context(), registry.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	defer done.Wait()
	defer cancel()
	server := httptest.NewServer(api.Handler(api.Options{Registry: r}))
	defer server.Close()
	c, err := client.New(server.URL, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}})
	if err != nil {
		b.Fatal(err)
	}
	all := make([]registry.Instance, 10_000)
	for n := range all {
		all[n] = registry.Instance{Key: key("users", fmt.Sprintf("10.0.%d.%d:9211", n/250, 1+n%250)), Zone: "a", Tags: map[string]string{"build": "4711"}}
		if _, err := r.CheckIn(b.Context(), all[n]); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.CheckIn(b.Context(), all[next.Add(1)%int64(len(all))]); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
