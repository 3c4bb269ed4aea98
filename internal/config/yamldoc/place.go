package yamldoc

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// At returns p with the place of the field at a path such as calls[0].to. If that field is not written, because
// it has its default or is implied by a short form, the place is that of the nearest field around it. For a compact
// document each call reads the syntax again: expand it before many calls.
func (d *Document) At(path string, p Problem) Problem {
	e := d.Expand()
	return *e.at(e.find(path), p)
}

// at returns p with the place of a node.
func (d *Document) at(n *yaml.Node, p Problem) *Problem {
	p.Origin, p.Length = d.origin(n), width(n)
	return d.complete(p)
}

// complete adds the line at which p points. What is missing after the last line is missing at its end.
func (d *Document) complete(p Problem) *Problem {
	if last := len(d.lines); p.Origin.Line > last {
		p.Origin.Line, p.Origin.Column = last, utf8.RuneCountInString(d.lines[last-1])+1
	}
	p.Source = strings.TrimSuffix(d.lines[p.Origin.Line-1], "\r")
	rest := utf8.RuneCountInString(p.Source) - max(0, p.Origin.Column-1)
	p.Length = max(1, min(p.Length, rest))
	return &p
}

// place is the origin of a line and column of the document.
func (d *Document) place(line, column int) mesh.Origin {
	return mesh.Origin{File: d.file, Line: d.before + line, Column: column, Owner: d.owner}
}

// origin is where a node begins.
func (d *Document) origin(n *yaml.Node) mesh.Origin { return d.place(n.Line, n.Column) }

// width is how many runes of its first line a node takes, as far as its tree tells.
func width(n *yaml.Node) int {
	switch {
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return utf8.RuneCountInString(n.Value) + 2
	case n.Kind == yaml.ScalarNode:
		return utf8.RuneCountInString(n.Value)
	case n.Kind == yaml.AliasNode:
		return utf8.RuneCountInString(n.Value) + 1
	case len(n.Content) == 0 || n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle == 0:
		return 1
	case n.Style&yaml.FlowStyle == 0:
		return width(n.Content[0])
	}
	last := n.Content[len(n.Content)-1]
	if last.Line != n.Line {
		return 1
	}
	return last.Column - n.Column + width(last) + 1
}

// find returns the node at a path, or the nearest one around it that exists.
func (d *Document) find(path string) *yaml.Node {
	n := d.root
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := child(n, segment)
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

// child returns the part of a node that a segment of a path names. A single value stands for a list of one.
func child(n *yaml.Node, segment string) *yaml.Node {
	index := int(segment[0]) - '0'
	isIndex := index >= 0 && index <= 9
	switch {
	case isIndex && n.Kind == yaml.SequenceNode:
		for _, digit := range segment[1:] {
			index = index*10 + int(digit-'0')
		}
		if index < len(n.Content) {
			return n.Content[index]
		}
		return nil
	case isIndex:
		return n
	case n.Kind == yaml.MappingNode:
		return lookup(n, segment)
	}
	return nil
}
