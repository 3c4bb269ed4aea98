package config

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// A parser answers as Parse does, and decodes only what has changed.
func TestParserDecodesOnlyChangedFiles(t *testing.T) {
	service := func(name, more string) []byte {
		return []byte("kind: Service\nname: " + name + "\nports: 8080\n" + more)
	}
	files := Files{"a.yaml": service("a", "calls: b\n"), "b.yaml": service("b", ""), "c.yaml": service("c", "")}
	var p Parser
	first, problems := p.Parse(files.Texts())
	if problems != nil {
		t.Fatal(problems)
	}
	for _, step := range []struct {
		name   string
		change func(Files)
		shared string // the services that the snapshot shares with the first one
	}{
		{"nothing", func(Files) {}, "abc"},
		{"b has a timeout", func(f Files) { f["b.yaml"] = service("b", "traffic: {timeout: 2s}\n") }, "ac"},
		{"b is gone, which a calls", func(f Files) { delete(f, "b.yaml") }, ""},
		{"c is moved", func(f Files) { delete(f, "c.yaml"); f["z.yaml"] = service("c", "") }, "a"},
		{"a is there twice", func(f Files) { f["z.yaml"] = service("a", "") }, ""},
		{"no syntax", func(f Files) { f["a.yaml"] = []byte("kind: [") }, ""},
		{"as at first", func(Files) {}, ""}, // a.yaml was something else in between
	} {
		changed := maps.Clone(files)
		step.change(changed)
		got, problems := p.Parse(changed.Texts())
		want, wantProblems := Parse(changed)
		if diff := cmp.Diff(wantProblems, problems); diff != "" {
			t.Errorf("%s: problems differ from those of Parse: %s", step.name, diff)
		}
		if diff := cmp.Diff(want, got, asMaps); diff != "" {
			t.Errorf("%s: the snapshot differs from that of Parse: %s", step.name, diff)
		}
		for _, name := range step.shared {
			if n := first.Documents.Services; got.Documents.Services.Get(mesh.ServiceName(name)) != n.Get(mesh.ServiceName(name)) {
				t.Errorf("%s: %c was decoded again", step.name, name)
			}
		}
		if problems == nil {
			first = got
		}
	}
}

// What is written in a document is hashed without sorting its fields each time.
func TestDigestAllocatesLittle(t *testing.T) {
	s := mustParse(t, shopFiles(10)).Documents.Services.Get("s3")
	if got := testing.AllocsPerRun(100, func() { reader.Written(s) }); got > 20 {
		t.Errorf("%v allocations: want at most 20", got)
	}
}
