package config

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// decoder reads one document's tree into Go values and reports everything in it that does not fit.
// What does not fit is left at its zero value, so that the rest can still be checked.
type decoder struct {
	*document
	fields map[reflect.Type][]field // what fieldsOf has answered

	// Inside of a struct with Origins, whose absent fields stay absent: where to note the places of its
	// fields, and the path that led here.
	origins map[string]mesh.Origin
	path    string
}

// shorthand is a struct that may also be written as one plain value.
type shorthand interface {
	// expand returns the fields that the text stands for, as pairs of name and value.
	expand(text string) [][2]string
	// short says what the text may be.
	short() short
}

// completer is a struct with fields whose defaults depend on others. complete is called once all that is
// written has been read without a problem.
type completer interface{ complete() }

// value reads n into v, which field f holds, and reports whether it fits.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f field) bool {
	if w := foreign(n, f); w != nil {
		d.report(n, w)
		return false
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		ok := d.value(n, to.Elem(), f)
		if ok || to.Elem().Kind() == reflect.Struct {
			v.Set(to)
		}
		return ok
	case reflect.Slice:
		return d.list(n, v, f)
	case reflect.Struct:
		return d.structure(n, v, f)
	default:
		return d.scalar(n, v, f)
	}
}

// shareHint says what to do instead of sharing text between places.
const shareHint = "what many documents share belongs into the Mesh's defaults"

// foreign refuses the parts of YAML that documents do not use.
func foreign(n *yaml.Node, f field) *wrong {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return &wrong{message: "anchors and aliases are not used here", expected: "the value itself",
			hint: shareHint}
	case n.Style&yaml.TaggedStyle != 0:
		return &wrong{message: fmt.Sprintf("tags such as %s are not used here", n.Tag), expected: "the value alone"}
	case n.Tag == "!!null":
		w := &wrong{message: f.name + " has no value"}
		if !f.required {
			w.hint = "leave the field out if there is none"
		}
		if f.Type != nil {
			w.expected = f.expected()
		}
		return w
	}
	return nil
}

// list reads a list. One item alone is a list of one. Items that do not fit are kept as far as they do, so
// that the others keep their places.
func (d *decoder) list(n *yaml.Node, v reflect.Value, f field) bool {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) == 0 {
		d.report(n, &wrong{message: f.name + " is an empty list", expected: "at least one item", hint: "leave the field out if there is none"})
		return false
	}
	ok := true
	seen := map[string]*yaml.Node{}
	for _, item := range items {
		to := reflect.New(v.Type().Elem()).Elem()
		ok = d.item(item, to, f, seen) && ok
		v.Set(reflect.Append(v, to))
	}
	return ok
}

// item reads one item of a list. In a list of plain values none may come twice.
func (d *decoder) item(n *yaml.Node, v reflect.Value, f field, seen map[string]*yaml.Node) bool {
	if n.Tag == "!!null" {
		d.report(n, &wrong{message: "an item of " + f.name + " has no value", expected: f.expected()})
		return false
	}
	if ok := d.value(n, v, f); !ok || v.Kind() == reflect.Struct {
		return ok
	}
	if first := seen[n.Value]; first != nil {
		d.reportWith(n, &wrong{message: fmt.Sprintf("%s lists %q twice", f.name, n.Value)}, d.origin(first))
		return false
	}
	seen[n.Value] = n
	return true
}

// scalar reads a value without parts. YAML's own idea of the value's type must agree, so that 010 or
// yes never mean what they do not say.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, f field) bool {
	w := mistyped(n, v, f)
	if w == nil {
		w = setScalar(v, f, n.Value)
	}
	if w != nil {
		d.report(n, w)
	}
	return w == nil
}

func mistyped(n *yaml.Node, v reflect.Value, f field) *wrong {
	if n.Kind != yaml.ScalarNode {
		return &wrong{message: fmt.Sprintf("%s is %s", f.name, form(n)), expected: f.expected()}
	}
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	switch kind := v.Kind(); {
	case v.Type() == reflect.TypeFor[Duration]():
		return nil
	case kind == reflect.Int && (quoted || n.Tag != "!!int"), kind == reflect.Bool && quoted:
		w := &wrong{message: fmt.Sprintf("%s is %s", f.name, form(n)), expected: f.expected()}
		if quoted {
			w.hint = "write it without quotes"
		}
		return w
	case v.Type() == reflect.TypeFor[string]() && n.Tag != "!!str":
		if w := formats[f.format](n.Value); w != nil {
			return w // quotes would not help
		}
		return &wrong{fmt.Sprintf("%s %s is not text", f.name, n.Value), "text", fmt.Sprintf("write %q", n.Value)}
	}
	return nil
}
