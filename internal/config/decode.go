package config

import (
	"fmt"
	"reflect"
	"strings"

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
		return &wrong{message: f.name + " has no value", expected: f.expected(), hint: "leave the field out if there is none"}
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
		d.reportWith(n, &wrong{message: fmt.Sprintf("%s lists %s twice", f.name, n.Value)}, d.origin(first))
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
		return &wrong{fmt.Sprintf("%s %s is not text", f.name, n.Value), "text", fmt.Sprintf("write %q", n.Value)}
	}
	return nil
}

// structure reads a group of fields, or the plain value that stands for one.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, f field) bool {
	if at := v.FieldByName("Origins"); at.IsValid() {
		inner := *d
		inner.origins, inner.path = map[string]mesh.Origin{}, ""
		at.Set(reflect.ValueOf(inner.origins))
		d = &inner
	}
	if at := v.FieldByName("Origin"); at.IsValid() {
		at.Set(reflect.ValueOf(d.origin(n)))
	}
	short, hasShort := v.Addr().Interface().(shorthand)
	given := map[string]bool{}
	ok := false
	switch {
	case n.Kind == yaml.MappingNode:
		ok = d.mapping(n, v, given)
	case n.Kind == yaml.ScalarNode && hasShort:
		ok = d.expand(n, v, short.expand(n.Value), given)
	default:
		d.report(n, &wrong{message: fmt.Sprintf("%s is %s", f.name, form(n)), expected: f.expected()})
	}
	if d.origins == nil && ok {
		setDefaults(v, d.fieldsOf(v.Type()), given)
	}
	if c, is := v.Addr().Interface().(completer); is && ok {
		c.complete()
	}
	return ok
}

// expand reads the fields that a short form stands for.
func (d *decoder) expand(n *yaml.Node, v reflect.Value, pairs [][2]string, given map[string]bool) bool {
	ok := true
	for _, pair := range pairs {
		f, _ := find(d.fieldsOf(v.Type()), pair[0])
		given[f.name] = true
		at := v.FieldByIndex(f.Index)
		to := reflect.New(deref(f.Type)).Elem()
		w := setScalar(to, f, pair[1])
		if w != nil {
			d.report(n, w)
			ok = false
			continue
		}
		if at.Kind() == reflect.Pointer {
			to = to.Addr()
		}
		at.Set(to)
		d.note(f.name, n)
	}
	return ok
}

// mapping reads the fields of v by name.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, given map[string]bool) bool {
	fields := d.fieldsOf(v.Type())
	keys := map[string]*yaml.Node{}
	ok := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		f, known := find(fields, key.Value)
		switch first := keys[key.Value]; {
		case key.Tag == "!!merge":
			d.report(key, &wrong{message: "merge keys are not used here", expected: "the fields themselves", hint: shareHint})
			ok = false
		case !known || key.Kind != yaml.ScalarNode:
			w, meant := unknown(v.Type(), key)
			d.report(key, w)
			given[meant], ok = true, false
		case first != nil:
			d.reportWith(key, &wrong{message: fmt.Sprintf("the field %s is given twice", key.Value), hint: "keep one of the two"}, d.origin(first))
			ok = false
		default:
			keys[key.Value], given[key.Value] = key, true
			ok = d.field(n.Content[i+1], v.FieldByIndex(f.Index), f) && ok
		}
	}
	return d.missing(n, fields, given) && ok
}

// missing reports the required fields that are neither given nor misspelled, and whether there are none.
func (d *decoder) missing(n *yaml.Node, fields []field, given map[string]bool) bool {
	ok := true
	for _, f := range fields {
		if f.required && !given[f.name] {
			d.report(n, &wrong{message: fmt.Sprintf("the field %s is missing", f.name), expected: f.sample()})
			ok = false
		}
	}
	return ok
}

// field reads the value of one field, and notes its place.
func (d *decoder) field(n *yaml.Node, v reflect.Value, f field) bool {
	inner := *d
	inner.path = d.path + f.name + "."
	ok := inner.value(n, v, f)
	if ok && deref(f.Type).Kind() != reflect.Struct {
		d.note(f.name, n)
	}
	return ok
}

// note keeps the place of a field for the Origins around it.
func (d *decoder) note(name string, n *yaml.Node) {
	if d.origins != nil {
		d.origins[d.path+name] = d.origin(n)
	}
}

func (d *decoder) fieldsOf(t reflect.Type) []field {
	if _, ok := d.fields[t]; !ok {
		d.fields[t] = fieldsOf(t)
	}
	return d.fields[t]
}

// unknown says what is wrong with a name that is no field of t, and which field was most likely meant.
func unknown(t reflect.Type, key *yaml.Node) (w *wrong, meant string) {
	if key.Kind != yaml.ScalarNode {
		return &wrong{message: "the name of a field is " + form(key), expected: "one of " + names(t)}, ""
	}
	w = &wrong{message: fmt.Sprintf("there is no field %q here", key.Value), expected: "one of " + names(t)}
	candidates := strings.Split(names(t), ", ")
	if w.hint = didYouMean(key.Value, candidates); w.hint != "" {
		return w, nearest(key.Value, candidates)
	}
	if paths := inside(t, key.Value); paths != nil {
		w.hint = fmt.Sprintf("did you mean %s?", strings.Join(paths, " or "))
	}
	return w, ""
}

// inside returns the paths of the fields of that name in the groups of t.
func inside(t reflect.Type, name string) (paths []string) {
	for _, f := range fieldsOf(t) {
		if f.name == name {
			paths = append(paths, name)
		}
		if deref(f.Type).Kind() == reflect.Struct {
			for _, path := range inside(deref(f.Type), name) {
				paths = append(paths, f.name+"."+path)
			}
		}
	}
	return paths
}

func find(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
