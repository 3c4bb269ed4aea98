package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// document is one document of a file: its syntax tree, and what is needed to point into its text.
type document struct {
	file     string
	owner    string
	lines    []string   // of the whole file
	before   int        // lines of the file before the document
	root     *yaml.Node // a mapping; nil when the text has no such form
	name     string     // what the document says of its name, even when nothing else can be read
	problems *Problems
	broken   bool // a problem was found in it
}

// documents reads the syntax of one file. A file without any document is a problem: an editor or a
// copy may have just emptied it.
func documents(name string, text []byte, problems *Problems) []*document {
	if p, ok := notText(text); !ok {
		p.Origin.File = name
		*problems = append(*problems, p)
		return nil
	}
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	var docs []*document
	for _, c := range split(text) {
		if c.blank() {
			continue
		}
		d := &document{file: name, lines: lines, before: c.before, name: salvageName(c.text), problems: problems}
		d.parse(c.text)
		docs = append(docs, d)
	}
	if docs == nil {
		*problems = append(*problems, Problem{Origin: mesh.Origin{File: name}, Message: "the file holds no document",
			Expected: "a document that begins with its kind", Hint: "remove the file if nothing belongs into it"})
	}
	return docs
}

// notText reports the first thing in a file that keeps it from being text, or true.
func notText(text []byte) (Problem, bool) {
	line, column := 1, 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		p := Problem{Origin: mesh.Origin{Line: line, Column: column}, Hint: "save it as UTF-8, or keep what is no document out of this folder"}
		switch {
		case r == utf8.RuneError && size == 1:
			p.Message = fmt.Sprintf("the file is not UTF-8 text: byte 0x%02x", text[0])
			return p, false
		case notInText(r) || r == '\r' && !bytes.HasPrefix(text, []byte("\r\n")):
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

// notInText reports whether r is a control character, or one of those beside the line feed that YAML ends a
// line at and editors do not, so that nobody would agree on the number of a line.
func notInText(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case 0x7f, 0x85, 0x2028, 0x2029:
		return true
	}
	return r < ' '
}

// nameLine finds the name in a text that may have no syntax.
var nameLine = regexp.MustCompile(`(?m)^name:[ \t]*["']?([a-z0-9-]+)`)

func salvageName(text []byte) string {
	if m := nameLine.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// parse reads the document's syntax tree, or reports why there is none.
func (d *document) parse(text []byte) {
	var n yaml.Node
	if err := yaml.Load(text, &n); err != nil {
		d.syntax(err)
		return
	}
	root := n.Content[0]
	if root.Kind != yaml.MappingNode {
		d.report(root, &wrong{message: "the document is " + form(root), expected: "fields, the first of them kind"})
		return
	}
	d.root = root
	if owner := lookup(root, "owner"); owner != nil && owner.Tag == "!!str" && oneLine(owner.Value) == nil {
		d.owner = owner.Value
	}
}

// syntax reports an error of the YAML library. It names where reading stopped and often where the
// construct that could not be read begins; of a construct that the text ends in only the latter helps.
func (d *document) syntax(err error) {
	p := Problem{Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), Origin: d.place(1, 0)}
	if e := (*yaml.LoadError)(nil); errors.As(err, &e) {
		p.Message = strings.TrimSuffix(fmt.Sprintf("not YAML: %s %s", e.Message, e.ContextMsg), " ")
		at, from := d.place(e.Mark.Line, e.Mark.Column), d.place(e.ContextMark.Line, e.ContextMark.Column)
		p.Hint = syntaxHint(e.Message, d.textAt(at))
		switch {
		case e.Mark.Line == 0:
		case e.ContextMark.Line == 0 || at == from:
			p.Origin = at
		case at.Line > len(d.lines) || d.lines[at.Line-1] == "":
			p.Origin = from
		default:
			p.Origin, p.Related = at, from
		}
	}
	d.add(p)
}

// textAt is what stands at a place, to the end of its line; "" behind the last line.
func (d *document) textAt(o mesh.Origin) string {
	if o.Line < 1 || o.Line > len(d.lines) {
		return ""
	}
	line := []rune(d.lines[o.Line-1])
	return string(line[min(max(0, o.Column-1), len(line)):])
}

// syntaxHint turns what the parser stumbled over, and what stands there, into what the writer most likely did.
func syntaxHint(message, at string) string {
	switch {
	case strings.Contains(message, "tab character"), strings.HasPrefix(at, "\t"):
		return "indent with spaces"
	case strings.Contains(message, "mapping values are not allowed"):
		return "put text that holds a colon and a space in quotes"
	case strings.Contains(message, "unknown anchor"):
		return "anchors and aliases are not used here: write the value out"
	case strings.Contains(message, "could not find expected ':'"):
		return "a field is written name: value"
	case strings.Contains(message, "<document start>"), strings.Contains(message, "incompatible YAML document"):
		return "leave out lines that begin with %: documents need no directives"
	case strings.Contains(message, "cannot start any token"):
		return "put text that begins with a special character in quotes"
	}
	return ""
}

// form says in words what a node is.
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

// lookup returns the value of a mapping's field, nil where it has none.
func lookup(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
