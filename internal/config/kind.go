package config

import (
	"crypto/sha256"
	"fmt"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// subject is a decoded document of any kind.
type subject interface {
	// header returns what every document begins with.
	header() *Header
	// slot is the key that only one document of a folder may have.
	slot() Key
	// addTo and removeFrom put the document into a set and take it out again.
	addTo(docs *Documents)
	removeFrom(docs *Documents)
	// references returns the names of the Services and Externals that check looks up.
	references() []mesh.ServiceName
	// check reports what is wrong with the document as a whole, and with its references to others.
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

// Kinds are the types of all kinds of documents, in the order in which the reference describes them.
func Kinds() []reflect.Type {
	var types []reflect.Type
	for _, k := range documentKinds {
		types = append(types, reflect.TypeOf(k.make()).Elem())
	}
	return types
}

// kindNames are the names of all kinds.
var kindNames = func() (names []string) {
	for _, k := range documentKinds {
		names = append(names, k.name)
	}
	return names
}()

// reader decodes documents of all kinds.
var reader = yamldoc.NewReader(formats, Kinds()...)

func (h *Header) header() *Header { return h }

// decoded is one document of a file, decoded by itself. It refers to no other document. Immutable.
type decoded struct {
	subject  // nil if the kind of the document cannot be known
	doc      *yamldoc.Document
	problems yamldoc.Problems // all of the document itself
	digest   digest
}

// digest is the hash of what is written in a document. Defaults are not part of it: a release that has others, or
// more fields, gives the same documents the same revision.
type digest [sha256.Size]byte

// decode decodes a document.
func decode(doc *yamldoc.Document) *decoded {
	if !doc.Readable() {
		return &decoded{doc: doc.Compact()}
	}
	if doc.Has(kubernetesField) {
		return &decoded{doc: doc.Compact(), problems: yamldoc.Problems{kubernetesProblem(doc)}}
	}
	kind, problem := doc.Kind(kindNames)
	if problem != nil {
		return &decoded{doc: doc.Compact(), problems: yamldoc.Problems{*problem}}
	}
	for _, k := range documentKinds {
		if k.name == kind {
			s := k.make()
			problems, complete := reader.Decode(doc, s)
			digest := sha256.Sum256(reader.Written(s))
			complete()
			return &decoded{s, doc.Compact(), problems, digest}
		}
	}
	panic("config: kind without a type: " + kind)
}

// kubernetesField is a field of every Kubernetes object, and of no document.
const kubernetesField = "apiVersion"

func kubernetesProblem(doc *yamldoc.Document) yamldoc.Problem {
	return doc.At(kubernetesField, yamldoc.Problem{
		Message:  "this is a Kubernetes object",
		Expected: "a document with the fields kind, name, ports and so on, without apiVersion, metadata and spec",
		Hint:     "docs/reference/configuration.md describes the fields; move files that are not documents to another folder",
	})
}

// checker checks the documents of a folder against each other, once all of them are decoded.
type checker struct {
	docs     *Documents
	problems *yamldoc.Problems
	broken   map[subject]bool // documents with problems of their own
	unread   map[string]bool  // names of documents that could not be decoded

	doc  *yamldoc.Document         // the one that is checked
	only map[mesh.ServiceName]bool // if not nil, nothing but its references to these has to be checked

	suggestions int // how many unknown names there were so far
}

// exists reports a document that has the slot of an earlier one.
func (c *checker) exists(d *decoded, first *Header) {
	p := &yamldoc.Problem{Message: fmt.Sprintf("%s %q exists already", first.Kind, first.Name), Hint: "rename or remove one of the two"}
	if _, single := d.subject.(*Mesh); single {
		p.Hint = "a folder has one Mesh: remove one of the two"
	}
	c.doc = d.doc
	c.reportWith("name", p, first.Origin)
}

// report adds a problem with the field at a path of the current document.
func (c *checker) report(path string, p *yamldoc.Problem) {
	c.doc = c.doc.Expand()
	*c.problems = append(*c.problems, c.doc.At(path, *p))
}

// reportWith is report with a second position that the problem concerns.
func (c *checker) reportWith(path string, p *yamldoc.Problem, related mesh.Origin) {
	p.Related = related
	c.report(path, p)
}

// checkName refuses the name of the domain, mesh: the port users of a service mesh would have the host users.mesh, which
// belongs to the service users.
func (h *Header) checkName(c *checker) {
	if h.Name == mesh.Domain {
		c.report("name", &yamldoc.Problem{Message: fmt.Sprintf("the name %s is reserved", h.Name), Expected: "another name",
			Hint: fmt.Sprintf("NAME.%s is another host of service NAME, so port NAME of a service %s would have the same host", mesh.Domain, mesh.Domain)})
	}
}
