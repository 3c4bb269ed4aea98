package yamldoc

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Rule says what is wrong with a text; nil means nothing. The problem has no place yet.
type Rule func(text string) *Problem

// Reader decodes documents into structs. Safe for concurrent use.
type Reader struct {
	formats map[string]Rule
	fields  map[reflect.Type][]field    // of all structs that the reader has met; read-only
	sorted  map[reflect.Type][]field    // the same by name
	names   map[reflect.Type]fieldNames // of the same structs; read-only
}

// NewReader returns a reader for the types of kinds, which are structs, and the structs inside of them.
// formats are the rules that format tags can name. A tag that is wrong is a panic.
func NewReader(formats map[string]Rule, kinds ...reflect.Type) *Reader {
	r := &Reader{formats, map[reflect.Type][]field{}, map[reflect.Type][]field{}, map[reflect.Type]fieldNames{}}
	for _, t := range kinds {
		r.learn(t)
	}
	return r
}

func (r *Reader) learn(t reflect.Type) {
	if r.fields[t] != nil {
		return
	}
	r.fields[t], r.names[t] = fieldsOf(t), fieldNamesOf(t)
	r.sorted[t] = slices.SortedFunc(slices.Values(r.fields[t]), func(a, b field) int { return strings.Compare(a.name, b.name) })
	for _, f := range r.fields[t] {
		if _, ok := r.formats[f.format]; f.format != "" && !ok {
			panic(fmt.Sprintf("yamldoc: %s.%s: there is no format %q", t, f.name, f.format))
		}
		if inner := core(f.Type); inner.Kind() == reflect.Struct {
			r.learn(inner)
		}
	}
}

// Decode reads a readable document into the struct that into points to, and returns everything in it that does
// not fit. What does not fit is left at its zero value, so that the rest can still be checked. complete, which has
// to be called, gives fields that are not written their defaults.
func (r *Reader) Decode(d *Document, into any) (problems Problems, complete func()) {
	v := reflect.ValueOf(into).Elem()
	dec := decoder{Document: d, Reader: r, problems: &problems}
	dec.value(d.root, v, field{name: "the document", StructField: reflect.StructField{Type: v.Type()}})
	return problems, func() {
		for _, group := range dec.groups {
			r.complete(group)
		}
	}
}

// group is a struct that was read without a problem, and the names of the fields that are written.
type group struct {
	reflect.Value
	given map[string]bool
}

// complete gives the fields of a group that are not written their defaults.
func (r *Reader) complete(g group) {
	r.setDefaults(g.Value, r.fields[g.Type()], g.given)
	if c, is := g.Addr().Interface().(Completer); is {
		c.Complete()
	}
}

// decoder reads one document's tree.
type decoder struct {
	*Document
	*Reader
	problems *Problems
	groups   []group // inner ones first

	suggestions int // unknown fields so far
}

// report adds a problem with a node.
func (d *decoder) report(n *yaml.Node, p *Problem) {
	if n.Kind == yaml.ScalarNode && n.Style == 0 {
		p.Hint = cmp.Or(d.continuationHint(d.origin(n), n.Value), p.Hint)
	}
	*d.problems = append(*d.problems, *d.at(n, *p))
}

// Shorthand is a struct that may also be written as one plain value.
type Shorthand interface {
	// Expand returns the fields that the text stands for, as pairs of name and value.
	Expand(text string) [][2]string
	// Short says what the text may be.
	Short() Short
}

// Short describes the text that may stand for a group of fields.
type Short struct {
	Words   string // what the text is, for people
	Field   string // the text may be what this field of the group may be
	Pattern string // or match this regular expression; "" for none
}

// Completer is a struct with fields whose defaults depend on others. Complete is called once everything
// that is written has been read without a problem, and after those of the structs in it.
type Completer interface{ Complete() }

// value reads n into v, which field f holds, and reports whether it fits.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f field) bool {
	if w := foreign(n, f); w != nil {
		d.report(n, w)
		return false
	}
	if isSetting(v.Type()) {
		ok := d.value(n, v.Field(settingValue), f)
		if ok {
			give(v, d.origin(n))
		}
		return ok
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
const shareHint = "what many documents share belongs in the Mesh's defaults"

// foreign refuses the parts of YAML that documents do not use.
func foreign(n *yaml.Node, f field) *Problem {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return &Problem{Message: "anchors and aliases are not used here", Expected: "the value itself",
			Hint: shareHint}
	case n.Style&yaml.TaggedStyle != 0:
		return &Problem{Message: fmt.Sprintf("tags such as %s are not used here", n.Tag), Expected: "the value alone"}
	case n.Tag == "!!null":
		w := &Problem{Message: f.name + " has no value"}
		if !f.required {
			w.Hint = "leave the field out if there is none"
		}
		if f.Type != nil {
			w.Expected = f.expected()
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
		d.report(n, &Problem{Message: f.name + " is an empty list", Expected: "at least one item", Hint: "leave the field out if there is none"})
		return false
	}
	ok := true
	seen := map[string]*yaml.Node{}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		ok = d.item(item, v.Index(i), f, seen) && ok
	}
	return ok
}

// item reads one item of a list. In a list of plain values none may come twice.
func (d *decoder) item(n *yaml.Node, v reflect.Value, f field, seen map[string]*yaml.Node) bool {
	if n.Tag == "!!null" {
		d.report(n, &Problem{Message: "an item of " + f.name + " has no value", Expected: f.expected()})
		return false
	}
	if ok := d.value(n, v, f); !ok || v.Kind() == reflect.Struct {
		return ok
	}
	if first := seen[n.Value]; first != nil {
		d.report(n, &Problem{Message: fmt.Sprintf("%s lists %q twice", f.name, n.Value), Related: d.origin(first)})
		return false
	}
	seen[n.Value] = n
	return true
}

// scalar reads a value without parts. YAML's own idea of the value's type must agree, so that 010 or
// yes never mean what they do not say.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, f field) bool {
	w := d.mistyped(n, v, f)
	if w == nil {
		w = d.setScalar(v, f, n.Value)
	}
	if w != nil {
		d.report(n, w)
	}
	return w == nil
}

func (r *Reader) mistyped(n *yaml.Node, v reflect.Value, f field) *Problem {
	if n.Kind != yaml.ScalarNode {
		return &Problem{Message: fmt.Sprintf("%s is %s", f.name, form(n)), Expected: f.expected()}
	}
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	switch kind := v.Kind(); {
	case v.Type() == reflect.TypeFor[Duration]():
		return nil
	case kind == reflect.Int && (quoted || n.Tag != "!!int"), kind == reflect.Bool && quoted:
		w := &Problem{Message: fmt.Sprintf("%s is %s", f.name, form(n)), Expected: f.expected()}
		if quoted {
			w.Hint = "write it without quotes"
		}
		return w
	case v.Type() == reflect.TypeFor[string]() && n.Tag != "!!str":
		if rule := r.formats[f.format]; rule != nil {
			if w := rule(n.Value); w != nil {
				return w // quotes would not help
			}
		}
		return &Problem{Message: fmt.Sprintf("%s %s is not text", f.name, n.Value), Expected: "text", Hint: fmt.Sprintf("write %q", n.Value)}
	}
	return nil
}
