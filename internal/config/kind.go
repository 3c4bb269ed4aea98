package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// subject is a decoded document of any kind.
type subject interface {
	// header returns what every document begins with.
	header() *Header
	// addTo puts the document into its place, or returns the one that is already there.
	addTo(docs *Documents) (earlier *Header)
	// check reports what is wrong with the document as a whole, and with what it says of others.
	check(c *checker)
}

// documentKinds lists every kind of document, in the order in which the reference describes them.
var documentKinds = []struct {
	name string
	make func() subject
}{
	{"Mesh", func() subject { return new(Mesh) }},
	{"Service", func() subject { return new(Service) }},
	{"Edge", func() subject { return new(Edge) }},
	{"External", func() subject { return new(External) }},
}

func (h *Header) header() *Header { return h }

// subject makes the empty value of the document's kind, or reports why it cannot.
func (d *document) subject() subject {
	var names []string
	for _, k := range documentKinds {
		names = append(names, k.name)
	}
	n := lookup(d.root, "kind")
	if n == nil {
		d.report(d.root, &wrong{message: "the document has no kind", expected: "kind: " + strings.Join(names, ", kind: ")})
		return nil
	}
	for _, k := range documentKinds {
		if n.Kind == yaml.ScalarNode && n.Value == k.name {
			return k.make()
		}
	}
	w := foreign(n, field{name: "kind"})
	switch {
	case w != nil:
		w.expected = "one of " + strings.Join(names, ", ")
	case n.Kind != yaml.ScalarNode:
		w = &wrong{message: "kind is " + form(n), expected: "one of " + strings.Join(names, ", ")}
	default:
		w = oneOf("there is no kind", names)(n.Value)
	}
	d.report(n, w)
	return nil
}

// decode reads the whole document, nil where its kind cannot be known.
func (d *document) decode(fields map[reflect.Type][]field) subject {
	s := d.subject()
	if s == nil {
		return nil
	}
	dec := &decoder{document: d, fields: fields}
	dec.value(d.root, reflect.ValueOf(s).Elem(), field{name: "the document", StructField: reflect.StructField{Type: reflect.TypeOf(s).Elem()}})
	return s
}

// earlier is the header of what is at a name already, in the form that addTo returns.
func earlier[K comparable, V subject](m map[K]V, name K) *Header {
	if s, ok := m[name]; ok {
		return s.header()
	}
	return nil
}

// join puts a decoded document into its place. Of two with one name the first is kept.
func (d *document) join(docs *Documents, s subject) {
	name := s.header().Name
	if name == "" {
		return
	}
	if first := s.addTo(docs); first != nil {
		w := &wrong{message: fmt.Sprintf("%s %q exists already", first.Kind, first.Name), hint: "rename or remove one of the two"}
		if _, single := s.(*Mesh); single {
			w.hint = "a folder has one Mesh: remove one of the two"
		}
		d.reportWith(d.find("name"), w, first.Origin)
	}
}

// checker lets the documents of a set say what is wrong with them, once all are there.
type checker struct {
	docs   *Documents
	doc    *document
	broken map[subject]bool
	unread map[string]bool // names of documents of which no more than that is known
}

// report adds a problem with what stands at a path of the current document.
func (c *checker) report(path string, w *wrong) { c.doc.report(c.doc.find(path), w) }

// reportWith is report with a further place that has to do with it.
func (c *checker) reportWith(path string, w *wrong, related mesh.Origin) {
	c.doc.reportWith(c.doc.find(path), w, related)
}
