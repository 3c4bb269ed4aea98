package control

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

// documentsByName are documents that change one by one, each in a file of its own.
type documentsByName map[string]string

func (d documentsByName) files() fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range d {
		files[name+".yaml"] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// oneFile are documents in one file.
type oneFile string

func (f oneFile) files() fstest.MapFS { return fstest.MapFS{"mesh.yaml": {Data: []byte(f)}} }

// chain returns services of which each calls the next one, an edge that leads to the first, and a mesh.
func chain(services int) documentsByName {
	d := documentsByName{
		"mesh": "kind: Mesh\nname: m\n",
		"edge": "kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: s0}\n",
	}
	for i := range services {
		d[fmt.Sprintf("s%d", i)] = fmt.Sprintf("kind: Service\nname: s%d\nports: 8080\ncalls: s%d\n", i, (i+1)%services)
	}
	return d
}

// settled waits until all views have the documents in force, and returns their snapshots by service or edge.
func (s *scene) settled(keys map[string]string) map[string]*xds.Snapshot {
	s.t.Helper()
	now, _ := s.documents.Accepted()
	s.until("the documents in force", func(state *State) bool { return state.Documents == now })
	snapshots := map[string]*xds.Snapshot{}
	for name, key := range keys {
		s.view(key, "the view of "+name, s.upToDate)
		snapshots[name] = s.snapshots.Snapshot(key)
	}
	return snapshots
}

// askFor requests the views of one sidecar of each service, and of an edge.
func (s *scene) askFor(services int) map[string]string {
	s.t.Helper()
	keys := map[string]string{"public": s.views.keyOf(node(s.t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public"}))}
	for i := range services {
		name := fmt.Sprintf("s%d", i)
		keys[name] = s.views.keyOf(sidecar(s.t, mesh.ServiceName(name)))
	}
	return keys
}

// TestOnlyReadersAreCompiledAgain edits documents one by one and counts the views that are compiled.
func TestOnlyReadersAreCompiledAgain(t *testing.T) {
	docs := chain(20)
	s := start(t, docs)
	keys := s.askFor(20)
	before := s.settled(keys)
	all := slices.Sorted(maps.Keys(keys))
	for _, test := range []struct {
		name, document, text string
		want                 []string
	}{
		{"a comment", "s3", docs["s3"] + "# nothing\n", nil},
		{"a service's timeout", "s5", "kind: Service\nname: s5\nports: 8080\ncalls: s6\ntraffic: {timeout: 2s}\n", []string{"s4", "s5"}},
		{"the service behind the edge", "s0", "kind: Service\nname: s0\nports: 8080\ncalls: s1\ntraffic: {timeout: 2s}\n", []string{"public", "s0", "s19"}},
		{"the edge", "edge", "kind: Edge\nname: public\nlisteners: 8001\nroutes: {to: s0}\n", []string{"public"}},
		{"a service that nobody calls", "sz", "kind: Service\nname: sz\n", nil},
		{"a default", "mesh", "kind: Mesh\nname: m\ndefaults: {timeout: 3s}\n", all},
	} {
		t.Run(test.name, func(t *testing.T) {
			docs[test.document] = test.text
			s.documents.set(t, docs)
			after := s.settled(keys)
			var compiled []string
			for _, name := range all {
				if before[name] != after[name] {
					compiled = append(compiled, name)
				}
			}
			if diff := cmp.Diff(test.want, compiled); diff != "" {
				t.Errorf("compiled again (-want +got):\n%s", diff)
			}
			before = after
		})
	}
}

// TestStepByStepEqualsAtOnce changes documents and instances at random. A server that saw all changes has the same
// resources, to the byte, as a new server that saw only the last state.
func TestStepByStepEqualsAtOnce(t *testing.T) {
	const services = 8
	random := rand.New(rand.NewPCG(3, 4))
	docs := chain(services)
	s := start(t, docs)
	keys := s.askFor(services)
	for round := range 12 {
		for range 1 + random.IntN(3) {
			docs.change(random, services)
			s.documents.set(t, docs)
		}
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(5))}), 9211)
		i := registry.Instance{Key: registry.Key{Service: mesh.ServiceName(fmt.Sprintf("s%d", random.IntN(services))), Address: address}, Weight: uint32(1 + round)}
		if _, err := s.registry.CheckIn(t.Context(), i.WithDefaults()); err != nil {
			t.Fatal(err)
		}
		got := s.settled(keys)
		if _, err := s.Published(t.Context(), "s0"); err != nil {
			t.Fatal(err)
		}
		fresh := s.another()
		want := fresh.settled(fresh.askFor(services))
		for name := range keys {
			if diff := cmp.Diff(content(want[name]), content(got[name])); diff != "" {
				t.Fatalf("round %d: %s (-at once +step by step):\n%s", round, name, diff)
			}
		}
		if diff := cmp.Diff(versions(fresh.endpoints.Resources()), versions(s.endpoints.Resources())); diff != "" {
			t.Fatalf("round %d: endpoints (-at once +step by step):\n%s", round, diff)
		}
	}
}

// change changes a document at random. All of them stay valid.
func (d documentsByName) change(r *rand.Rand, services int) {
	name := fmt.Sprintf("s%d", r.IntN(services))
	traffic := ""
	if r.IntN(2) == 0 {
		traffic = fmt.Sprintf("traffic: {timeout: %ds, connectTimeout: %dms}\n", 1+r.IntN(3), 100*(1+r.IntN(3)))
	}
	switch r.IntN(8) {
	case 0:
		d["mesh"] = fmt.Sprintf("kind: Mesh\nname: m\ndefaults: {timeout: %ds}\n", 1+r.IntN(3))
	case 1:
		d["edge"] = fmt.Sprintf("kind: Edge\nname: public\nlisteners: %d\nroutes: [{to: s%d}, {path: /other, to: s%d}]\n", 8000+r.IntN(2), r.IntN(services), r.IntN(services))
	case 2:
		d["external"] = fmt.Sprintf("kind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: %d\n", 5000+r.IntN(2))
	default:
		callees := []string{fmt.Sprintf("s%d", r.IntN(services))}
		if other := fmt.Sprintf("s%d", r.IntN(services)); other != callees[0] {
			callees = append(callees, other)
		}
		if d["external"] != "" && r.IntN(2) == 0 {
			callees = append(callees, "db")
		}
		ports := []string{"8080", "[8080, {name: admin, port: 8081}]"}[r.IntN(2)]
		d[name] = fmt.Sprintf("kind: Service\nname: %s\nports: %s\ncalls: [%s]\n%s", name, ports, strings.Join(callees, ", "), traffic)
	}
}

// another returns a new server with the same inputs.
func (s *scene) another() *scene {
	fresh := &scene{t: s.t, documents: s.documents, registry: s.registry}
	fresh.Control = fresh.with(Everywhere(s.documents))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fresh.Run(ctx)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	<-fresh.Ready()
	return fresh
}

func content(s *xds.Snapshot) map[string]string {
	all := map[string]string{}
	for _, typeURL := range s.Types() {
		maps.Copy(all, versions(s.Resources(typeURL)))
	}
	return all
}

func versions(resources []*xds.Resource) map[string]string {
	all := map[string]string{}
	for _, r := range resources {
		all[r.Type()+" "+r.Name()] = r.Version()
	}
	return all
}

// manual is a Control whose views are compiled only when the test says so.
type manual struct {
	*scene
	compiler *compiler
}

func startManual(t *testing.T, documents written) manual {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, documents: &folder{}, registry: r}
	s.documents.set(t, documents)
	s.Control = s.with(Everywhere(s.documents))
	l := s.newLoop()
	m := manual{s, l.compiler}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = r.Run(ctx) })
	parts.Go(func() { l.run(ctx) })
	t.Cleanup(func() { cancel(); parts.Wait() })
	<-s.Ready()
	return m
}

// take takes the next job.
func (m manual) take() job {
	m.t.Helper()
	select {
	case j := <-m.compiler.jobs:
		return j
	case <-time.After(10 * time.Second):
		m.t.Fatal("no view is to be compiled")
		return job{}
	}
}

func (m manual) finish(j job) { m.compiler.done <- j.run(m.caches) }

// TestEndpointsDoNotWaitForViews publishes instances during a compilation that does not end.
func TestEndpointsDoNotWaitForViews(t *testing.T) {
	m := startManual(t, webCallsUsers)
	m.views.keyOf(sidecar(t, "web"))
	m.views.keyOf(sidecar(t, "users"))
	slow := m.take()
	m.checkIn("10.0.0.7:9211", registry.Healthy)
	if _, err := m.Published(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	m.documents.set(t, webAlone)
	m.until("the next documents", func(s *State) bool { return s.Documents.Documents.Services.Len() == 1 })
	if m.endpoints.Get("users") == nil {
		t.Error("the assignment of users is gone while a view is compiled that may use it")
	}
	m.finish(slow)
}

// TestViewsSkipRevisions edits documents faster than views compile. Each view is compiled once, from the newest
// documents, and none starves.
func TestViewsSkipRevisions(t *testing.T) {
	m := startManual(t, webCallsUsers)
	keys := map[string]string{"web": m.views.keyOf(sidecar(t, "web")), "users": m.views.keyOf(sidecar(t, "users"))}
	for range keys {
		m.finish(m.take())
	}
	m.settled(keys)
	for i := range 5 {
		m.documents.set(t, oneFile(fmt.Sprintf("kind: Mesh\nname: m\ndefaults: {timeout: %ds}\n---\n%s", i+1, webCallsUsers)))
		now, _ := m.documents.Accepted()
		m.until("the documents", func(s *State) bool { return s.Documents == now })
	}
	newest, _ := m.documents.Accepted()
	first := m.take()
	if first.documents != newest {
		t.Errorf("a view is compiled from revision %s: want %s", first.documents.Revision, newest.Revision)
	}
	// Another edit arrives while the first view is compiled.
	m.documents.set(t, webCallsUsers)
	newest, _ = m.documents.Accepted()
	m.until("the last documents", func(s *State) bool { return s.Documents == newest })
	m.finish(first)
	second := m.take()
	if second.entry == first.entry || second.documents != newest {
		t.Error("a view waits while another one has two turns")
	}
	m.finish(second)
	again := m.take()
	if again.entry != first.entry || again.documents != newest {
		t.Error("the view that was compiled from documents of before is not compiled again")
	}
	m.finish(again)
	m.settled(keys)
	select {
	case j := <-m.compiler.jobs:
		t.Errorf("the view of %s is compiled once more", j.entry.use.node.Service)
	default:
	}
}

// TestAssignmentsOutliveTheirLastView removes a service. Its assignments are removed after the view that uses them.
func TestAssignmentsOutliveTheirLastView(t *testing.T) {
	m := startManual(t, webCallsUsers)
	key := m.views.keyOf(sidecar(t, "web"))
	m.finish(m.take())
	m.view(key, "the view of web", m.upToDate)
	m.documents.set(t, webAlone)
	last := m.take()
	if m.endpoints.Get("users") == nil || m.endpoints.Get("admin.users") == nil {
		t.Error("assignments are gone before the view that uses them")
	}
	view, _, _ := m.views.get(key)
	if !view.Behind || view.Revision == m.State().Documents.Revision {
		t.Errorf("the view is %+v: want it to be behind", view)
	}
	m.finish(last)
	m.view(key, "the view without users", m.upToDate)
	eventually(t, "the assignments of a removed service are gone", func() bool { return m.endpoints.Get("users") == nil })
	if m.endpoints.Get("web") == nil {
		t.Error("the assignment of web is gone")
	}
}
