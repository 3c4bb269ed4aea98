package compile_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestCache compiles many callers of a few services, before and after an edit. The results are the same as without a
// cache, and what most callers share is resolved once.
func TestCache(t *testing.T) {
	text := "kind: Mesh\nname: m\n---\nkind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: 5432\n---\nkind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\n"
	for i := range 20 {
		text += fmt.Sprintf("---\nkind: Service\nname: web%d\nports: 8080\ncalls: [users, db]\n", i)
	}
	text += "---\nkind: Service\nname: other\nports: 8080\ncalls: [db, {to: users, traffic: {timeout: 3s}}]\n"
	text += "---\nkind: Edge\nname: public\nlisteners: 8000\nroutes:\n"
	for i := range 20 {
		text += fmt.Sprintf("  - {path: /users/%d, to: users}\n", i)
	}
	text += "  - {path: /admin, to: users, port: admin}\n  - {path: /slow, to: users, traffic: {timeout: 9s, connectTimeout: 3s}}\n"
	cache := compile.NewCache()
	last := 0
	for _, edited := range []string{text, strings.Replace(text, "name: m\n", "name: m\ndefaults: {timeout: 4s}\n", 1)} {
		docs := parse(t, edited)
		nodes := []mesh.Node{{Role: mesh.EdgeProxy, Edge: "public"}}
		for name := range docs.Services.Keys() {
			nodes = append(nodes, mesh.Node{Role: mesh.Sidecar, Service: name}, mesh.Node{Role: mesh.Proxyless, Service: name})
		}
		for _, node := range nodes {
			want, wantReads, err := compile.Track(docs, mesh.View{Node: node})
			if err != nil {
				t.Fatal(err)
			}
			got, reads, err := cache.Track(docs, mesh.View{Node: node})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, addresses); diff != "" {
				t.Fatalf("%v (-without a cache +with):\n%s", node, diff)
			}
			if diff := cmp.Diff(wantReads, reads, cmpopts.SortSlices(func(a, b config.Key) bool { return a.Kind+a.Name < b.Kind+b.Name })); diff != "" {
				t.Fatalf("%v reads (-without a cache +with):\n%s", node, diff)
			}
		}
		if n := cache.Misses() - last; n != 2 {
			t.Errorf("%d calls were resolved: want users and db", n)
		}
		last = cache.Misses()
		runtime.KeepAlive(docs)
	}
}

// TestCompilationCopiesLittle compiles a caller of ten services whose documents are compiled already. Resolved settings
// are shared, and the reads have the same order each time.
func TestCompilationCopiesLittle(t *testing.T) {
	text := "kind: Service\nname: web\nports: 8080\ncalls: [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9]\n"
	for i := range 10 {
		text += fmt.Sprintf("---\nkind: Service\nname: s%d\nports: 8080\ntraffic: {timeout: 3s}\n", i)
	}
	docs, cache := parse(t, text), compile.NewCache()
	view := mesh.View{Node: mesh.Node{Role: mesh.Sidecar, Service: "web"}}
	_, first, err := cache.Track(docs, view)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 100
	for range rounds {
		_, reads, err := cache.Track(docs, view)
		if err != nil || !slices.Equal(first, reads) {
			t.Fatalf("reads %v, %v: want %v", reads, err, first)
		}
	}
	runtime.ReadMemStats(&after)
	if bytes := (after.TotalAlloc - before.TotalAlloc) / rounds; bytes > 30_000 {
		t.Errorf("a compilation allocates %d bytes: want at most 30000", bytes)
	}
}

// TestCacheKeepsNoDocuments drops the documents and waits until the cache is empty.
func TestCacheKeepsNoDocuments(t *testing.T) {
	cache := compile.NewCache()
	docs := parse(t, documents)
	if _, _, err := cache.Track(docs, mesh.View{Node: mesh.Node{Role: mesh.Sidecar, Service: "web"}}); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if cache.Len() != 1 {
		t.Errorf("the cache has %d callees: want 1", cache.Len())
	}
	runtime.KeepAlive(docs)
	for deadline := time.Now().Add(10 * time.Second); cache.Len() > 0; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d callees are kept", cache.Len())
		}
	}
}
