package envoy_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// TestReferences compares the references that encoders pass on with those found in the messages, but for secrets.
func TestReferences(t *testing.T) {
	for _, file := range caseFiles(t) {
		p, err := readCase(t, file).proxy(t)
		if err != nil {
			continue
		}
		for _, r := range mustResources(t, p) {
			want, err := envoyrefs.Decode(r.Type(), r.Body())
			want = slices.DeleteFunc(want, func(ref xds.Ref) bool { return ref.Type == xds.SecretType })
			if err != nil {
				t.Fatal(err)
			}
			if got := r.References(); !slices.Equal(got, want) {
				t.Errorf("%s: %s %q refers to %v: want %v", file, r.Type(), r.Name(), got, want)
			}
		}
	}
}

// TestCacheChangesNothing encodes all cases with one cache, each twice, and without any.
func TestCacheChangesNothing(t *testing.T) {
	cache := envoy.NewCache()
	var keep []envoy.Resource
	for range 2 {
		for _, file := range caseFiles(t) {
			p, err := readCase(t, file).proxy(t)
			if err != nil {
				continue
			}
			got, err := cache.Resources(p)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range mustResources(t, p) {
				if got[i].Version() != want.Version() || got[i].Name() != want.Name() || got[i].Origin != want.Origin {
					t.Errorf("%s: with a cache %s %q is another", file, want.Type(), want.Name())
				}
			}
			keep = append(keep, got...)
		}
	}
	runtime.KeepAlive(keep)
}

// TestEqualPartsAreEncodedOnce has ten callers of one service, of which one treats it in its own way.
func TestEqualPartsAreEncodedOnce(t *testing.T) {
	text := "kind: Service\nname: users\nports: 8080\n"
	for i := range 9 {
		text += fmt.Sprintf("---\nkind: Service\nname: web%d\nports: 8080\ncalls: users\n", i)
	}
	text += "---\nkind: Service\nname: other\nports: 8080\ncalls: {to: users, traffic: {connectTimeout: 3s}}\n"
	cache := envoy.NewCache()
	var all []envoy.Resource
	for _, p := range sidecars(t, text) {
		resources, err := cache.Resources(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, resources...)
	}
	// 2 clusters of users, 1 of the applications, the egress listener, and for each service its ingress listener, which
	// has its default host, and its routes, whose text names it.
	if want := 2 + 1 + 1 + 11 + 11; cache.Encoded() != want {
		t.Errorf("%d resources were encoded for %d: want %d", cache.Encoded(), len(all), want)
	}
	runtime.KeepAlive(all)
}

// TestOtherPortsChangeListenersAlone encodes sidecars of one service on hosts where they have other ports.
func TestOtherPortsChangeListenersAlone(t *testing.T) {
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(
		"kind: Service\nname: users\nports: 8080\n---\nkind: Service\nname: web\nports: 8080\ncalls: users\n")})
	if problems != nil {
		t.Fatal(problems)
	}
	cache, calls := envoy.NewCache(), compile.NewCache()
	var all []envoy.Resource
	const hosts = 10
	for i := range hosts {
		node := mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Egress: 20000 + i, Ingress: map[mesh.PortName]int{"http": 21000 + i}}}
		proxy, _, err := calls.Track(&snapshot.Documents, mesh.View{Node: node})
		if err != nil {
			t.Fatal(err)
		}
		resources, err := cache.Resources(proxy)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, resources...)
	}
	// Two listeners for each; clusters of users and of the application and the routes once.
	if want := 2*hosts + 3; cache.Encoded() != want {
		t.Errorf("%d resources were encoded for %d: want %d", cache.Encoded(), len(all), want)
	}
	runtime.KeepAlive(all)
}

// TestCacheKeepsNothingAlive drops the resources and waits until the cache is empty.
func TestCacheKeepsNothingAlive(t *testing.T) {
	cache := envoy.NewCache()
	proxies := sidecars(t, "kind: Service\nname: users\nports: 8080\n")
	resources, err := cache.Resources(proxies[0])
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	if cache.Len() != len(resources) {
		t.Errorf("the cache has %d resources while somebody holds %d", cache.Len(), len(resources))
	}
	runtime.KeepAlive(resources)
	for deadline := time.Now().Add(10 * time.Second); cache.Len() > 0; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d resources are kept", cache.Len())
		}
	}
}

// sidecars are the proxies of all services of documents.
func sidecars(t *testing.T, text string) []ir.Proxy {
	t.Helper()
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(text)})
	if problems != nil {
		t.Fatal(problems)
	}
	var all []ir.Proxy
	for name := range snapshot.Documents.Services.Keys() {
		p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: mesh.Node{Role: mesh.Sidecar, Service: name}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}
