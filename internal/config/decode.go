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
	// short says in words what the text may be.
	short() string
}

// value reads n into v, which field f holds, and reports whether it fits.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f field) bool {
	if w := foreign(n, f); w != nil {
		d.report(n, w)
		return false
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		if ok := d.value(n, to.Elem(), f); !ok && to.Elem().Kind() != reflect.Struct {
			return false
		}
		v.Set(to)
		return true
	case reflect.Slice:
		return d.list(n, v, f)
	case reflect.Struct:
		return d.structure(n, v, f)
	default:
		return d.scalar(n, v, f)
	}
}

// foreign refuses the parts of YAML that documents do not use.
func foreign(n *yaml.Node, f field) *wrong {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return &wrong{message: "anchors and aliases are not used here", expected: "the value itself",
			hint: "what many documents share belongs into the Mesh's defaults"}
	case n.Style&yaml.TaggedStyle != 0:
		return &wrong{message: fmt.Sprintf("tags such as %s are not used here", n.Tag), expected: "the value alone"}
	case n.Tag == "!!null" && f.name != "":
		return &wrong{message: f.name + " has no value", expected: f.expected(), hint: "leave the field out to get its default"}
	case n.Tag == "!!null":
		return &wrong{message: "the item has no value"}
	}
	return nil
}

// list reads a list. One item alone is a list of one.
func (d *decoder) list(n *yaml.Node, v reflect.Value, f field) bool {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) == 0 {
		d.report(n, &wrong{message: f.name + " is an empty list", expected: "at least one item", hint: "leave the field out to get its default"})
		return false
	}
	seen := map[string]*yaml.Node{}
	for _, item := range items {
		to := reflect.New(v.Type().Elem()).Elem()
		if !d.value(item, to, f) && to.Kind() != reflect.Struct {
			continue
		}
		if first := seen[item.Value]; first != nil && item.Kind == yaml.ScalarNode {
			d.reportWith(item, &wrong{message: fmt.Sprintf("%s lists %s twice", f.name, item.Value)}, d.origin(first))
			continue
		}
		seen[item.Value] = item
		v.Set(reflect.Append(v, to))
	}
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
		w := &wrong{message: fmt.Sprintf("%s is the text %q", f.name, n.Value), expected: f.expected()}
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
	ok := true
	switch {
	case n.Kind == yaml.MappingNode:
		ok = d.mapping(n, v)
	case n.Kind == yaml.ScalarNode && hasShort:
		ok = d.expand(n, v, short.expand(n.Value))
	default:
		d.report(n, &wrong{message: fmt.Sprintf("%s is %s", f.name, form(n)), expected: f.expected()})
		return false
	}
	if d.origins == nil {
		setDefaults(v)
	}
	return ok
}

func (d *decoder) expand(n *yaml.Node, v reflect.Value, pairs [][2]string) bool {
	ok := true
	for _, pair := range pairs {
		f, _ := find(d.fieldsOf(v.Type()), pair[0])
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
func (d *decoder) mapping(n *yaml.Node, v reflect.Value) bool {
	fields := d.fieldsOf(v.Type())
	seen := map[string]*yaml.Node{}
	ok := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		f, known := find(fields, key.Value)
		switch {
		case key.Tag == "!!merge":
			d.report(key, &wrong{message: "merge keys are not used here", expected: "the fields themselves",
				hint: "what many documents share belongs into the Mesh's defaults"})
			ok = false
		case !known || key.Kind != yaml.ScalarNode:
			d.report(key, unknown(v.Type(), fields, key))
			ok = false
		case seen[key.Value] != nil:
			d.reportWith(key, &wrong{message: fmt.Sprintf("the field %s is given twice", key.Value), hint: "keep one of the two"}, d.origin(seen[key.Value]))
			ok = false
		default:
			seen[key.Value] = key
			ok = d.field(val, v.FieldByIndex(f.Index), f) && ok
		}
	}
	for _, f := range fields {
		if f.required && seen[f.name] == nil {
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

// unknown says what is wrong with a name that is no field of t.
func unknown(t reflect.Type, fields []field, key *yaml.Node) *wrong {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	w := &wrong{message: fmt.Sprintf("there is no field %q here", key.Value), expected: "one of " + strings.Join(names, ", ")}
	if w.hint = didYouMean(key.Value, names); w.hint == "" {
		if paths := inside(t, key.Value); paths != nil {
			w.hint = fmt.Sprintf("did you mean %s?", strings.Join(paths, " or "))
		}
	}
	return w
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
