package yamldoc

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

// Document is one document of a file: its syntax tree, and the text that problems point into.
type Document struct {
	// Name is the value of the field name. It is found even if the rest of the document cannot be read.
	Name string

	file     string
	owner    string // the value of the field owner
	readable bool

	whole, text []byte // of the file, and of the document in it
	before      int    // how many lines of the file precede the document

	// Both are nil in a compact document.
	lines []string   // of the whole file
	root  *yaml.Node // a mapping; nil if the document is not readable
}

// Read reads the syntax of a file. It returns every document of the file, and all problems with their
// syntax. A file without a document is a problem, because an editor or a copy may have just emptied it.
func Read(name string, text []byte) ([]*Document, Problems) {
	if p, ok := checkText(text); !ok {
		p.Origin.File = name
		return nil, Problems{p}
	}
	lines := linesOf(text)
	var docs []*Document
	var problems Problems
	for _, c := range split(text) {
		if c.blank() {
			continue
		}
		d := &Document{Name: salvageName(c.text), file: name, whole: text, text: c.text, before: c.before, lines: lines}
		if p := d.parse(); p != nil {
			problems = append(problems, *p)
		}
		docs = append(docs, d)
	}
	if docs == nil {
		problems = Problems{{Origin: mesh.Origin{File: name}, Message: "the file holds no document",
			Expected: "a document that begins with its kind", Hint: "remove the file if it is not needed"}}
	}
	return docs, problems
}

// checkText reports the first thing in a file that is not text, or true if all of it is.
func checkText(text []byte) (Problem, bool) {
	line, column := 1, 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		p := Problem{Origin: mesh.Origin{Line: line, Column: column}, Hint: "save it as UTF-8, or move files that are not documents out of this folder"}
		switch {
		case r == utf8.RuneError && size == 1:
			p.Message = fmt.Sprintf("the file is not UTF-8 text: byte 0x%02x", text[0])
			return p, false
		case isControl(r) || r == '\r' && !bytes.HasPrefix(text, []byte("\r\n")):
			p.Message = fmt.Sprintf("the file is not text: control character %U", r)
			return p, false
		case r == '\n':
			line, column = line+1, 1
		default:
			column++
		}
		text = text[size:]
	}
	return Problem{}, true
}

// isControl reports whether r is a control character, or a line separator other than the line feed: YAML
// ends a line there and editors do not, so that they would count lines differently.
func isControl(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case 0x7f, 0x85, 0x2028, 0x2029:
		return true
	}
	return r < ' '
}

// nameLine finds the field name in a text whose syntax may be broken.
var nameLine = regexp.MustCompile(`(?m)^name:[ \t]*["']?([a-z0-9-]+)`)

func salvageName(text []byte) string {
	if m := nameLine.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// parse reads the document's syntax tree, or returns why there is none.
func (d *Document) parse() *Problem {
	var n yaml.Node
	if err := yaml.Load(d.text, &n); err != nil {
		return d.syntaxError(err)
	}
	root := n.Content[0]
	if root.Kind != yaml.MappingNode {
		return d.at(root, Problem{Message: "the document is " + form(root), Expected: "fields, the first of them kind"})
	}
	d.root, d.readable = root, true
	if owner := lookup(root, "owner"); owner != nil && owner.Tag == "!!str" && OneLine(owner.Value) == nil {
		d.owner = owner.Value
	}
	return nil
}

// Readable reports whether the document's syntax can be read. A document that is not readable cannot be
// decoded; Read has returned the reason.
func (d *Document) Readable() bool { return d.readable }

// Compact returns the document without its syntax tree, which takes several times the memory of its text.
func (d *Document) Compact() *Document {
	c := *d
	c.lines, c.root = nil, nil
	return &c
}

// Expand returns the document with its syntax tree, which it reads again if the document is compact.
func (d *Document) Expand() *Document {
	if d.lines != nil {
		return d
	}
	e := *d
	e.lines = linesOf(d.whole)
	if d.readable {
		e.parse()
	}
	return &e
}

func linesOf(text []byte) []string {
	return strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
}

// Kind returns the value of the field kind, or a problem if it is not one of kinds.
func (d *Document) Kind(kinds []string) (string, *Problem) {
	oneOfKinds := "one of " + strings.Join(kinds, ", ")
	n := lookup(d.root, "kind")
	if n == nil {
		return "", d.at(d.root, Problem{Message: "the document has no kind", Expected: "kind: " + strings.Join(kinds, ", kind: ")})
	}
	if p := foreign(n, field{name: "kind"}); p != nil {
		p.Expected = oneOfKinds
		return "", d.at(n, *p)
	}
	if n.Kind != yaml.ScalarNode {
		return "", d.at(n, Problem{Message: "kind is " + form(n), Expected: oneOfKinds})
	}
	for _, kind := range kinds {
		if kind == n.Value {
			return kind, nil
		}
	}
	return "", d.at(n, Problem{Message: fmt.Sprintf("there is no kind %q", n.Value), Expected: oneOfKinds, Hint: suggest.DidYouMean(n.Value, kinds)})
}

// Has reports whether a readable document has a field with that name.
func (d *Document) Has(name string) bool { return lookup(d.Expand().root, name) != nil }

// form describes a node as text.
func form(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a group of fields"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", n.Value)
	}
}

// lookup returns the value of a mapping's field, or nil if it has none.
func lookup(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
