package yamldoc

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/suggest"
)

// structure reads a group of fields, or the plain value that stands for one.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, f field) bool {
	if at := v.FieldByName("Origin"); at.IsValid() {
		at.Set(reflect.ValueOf(d.origin(n)))
	}
	short, hasShort := v.Addr().Interface().(Shorthand)
	given := map[string]bool{}
	ok := false
	switch {
	case n.Kind == yaml.MappingNode:
		ok = d.mapping(n, v, given)
	case n.Kind == yaml.ScalarNode && hasShort:
		ok = d.expand(n, v, short.Expand(n.Value), given)
	default:
		d.report(n, &Problem{Message: fmt.Sprintf("%s is %s", f.name, form(n)), Expected: f.expected()})
	}
	if ok {
		d.groups = append(d.groups, group{v, given})
	}
	return ok
}

// expand reads the fields that a short form stands for.
func (d *decoder) expand(n *yaml.Node, v reflect.Value, pairs [][2]string, given map[string]bool) bool {
	ok := true
	for _, pair := range pairs {
		f, _ := fieldNamed(d.fields[v.Type()], pair[0])
		given[f.name] = true
		at := v.FieldByIndex(f.Index)
		to := reflect.New(valueType(f.Type)).Elem()
		w := d.setScalar(to, f, pair[1])
		switch {
		case w != nil:
			d.report(n, w)
			ok = false
		case at.Kind() == reflect.Pointer:
			at.Set(to.Addr())
		case isSetting(at.Type()):
			at.Field(settingValue).Set(to)
			give(at, d.origin(n))
		default:
			at.Set(to)
		}
	}
	return ok
}

// mapping reads the fields of v by name.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, given map[string]bool) bool {
	fields := d.fields[v.Type()]
	keys := map[string]*yaml.Node{}
	ok := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		f, known := fieldNamed(fields, key.Value)
		w := foreign(key, field{name: "the name of a field"})
		switch first := keys[key.Value]; {
		case w != nil:
			d.report(key, w)
			ok = false
		case key.Tag == "!!merge":
			d.report(key, &Problem{Message: "merge keys are not used here", Expected: "the fields themselves", Hint: shareHint})
			ok = false
		case !known || key.Kind != yaml.ScalarNode:
			w, meant := d.unknown(v.Type(), key)
			d.report(key, w)
			given[meant], ok = true, false
		case first != nil:
			d.report(key, &Problem{Message: fmt.Sprintf("the field %q is given twice", key.Value), Hint: "keep one of the two", Related: d.origin(first)})
			ok = false
		default:
			keys[key.Value], given[key.Value] = key, true
			ok = d.value(n.Content[i+1], v.FieldByIndex(f.Index), f) && ok
		}
	}
	return d.missing(n, fields, given) && ok
}

// missing reports the required fields that are neither given nor misspelled, and whether there are none.
func (d *decoder) missing(n *yaml.Node, fields []field, given map[string]bool) bool {
	ok := true
	for _, f := range fields {
		if f.required && !given[f.name] {
			d.report(n, &Problem{Message: fmt.Sprintf("the field %q is missing", f.name), Expected: f.sample()})
			ok = false
		}
	}
	return ok
}

// maxSuggestions is for how many unknown fields of a document the one that was meant is looked for: after so many, a
// mistake is a general one.
const maxSuggestions = 100

// unknown says what is wrong with a name that is no field of t, and which field was most likely meant.
func (d *decoder) unknown(t reflect.Type, key *yaml.Node) (w *Problem, meant string) {
	known := d.names[t]
	if key.Kind != yaml.ScalarNode {
		return &Problem{Message: "the name of a field is " + form(key), Expected: known.expected}, ""
	}
	w = &Problem{Message: fmt.Sprintf("there is no field %q here", key.Value), Expected: known.expected}
	if d.suggestions++; d.suggestions > maxSuggestions {
		return w, ""
	}
	if meant = suggest.Nearest(key.Value, known.own); meant != "" {
		w.Hint = suggest.DidYouMean(key.Value, known.own)
	} else if near := known.inside(key.Value); near != nil {
		w.Hint = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
	}
	return w, meant
}

// fieldNames are the names of the fields of a struct. They are collected once, because a document may have any
// number of unknown fields.
type fieldNames struct {
	own      []string // of its fields
	expected string   // the same, as a problem lists them
	paths    []string // of its fields and of those of the groups in it
	last     []string // the last names of paths
}

func fieldNamesOf(t reflect.Type) fieldNames {
	n := fieldNames{own: strings.Split(names(t), ", "), expected: "one of " + names(t), paths: paths(t)}
	for _, path := range n.paths {
		n.last = append(n.last, path[strings.LastIndexByte(path, '.')+1:])
	}
	return n
}

// inside returns the paths of the fields whose last name is the nearest to name.
func (n fieldNames) inside(name string) (near []string) {
	best := suggest.Nearest(name, n.last)
	for i, path := range n.paths {
		if n.last[i] == best {
			near = append(near, path)
		}
	}
	return near
}

// paths lists the fields of t and of the groups in it.
func paths(t reflect.Type) (all []string) {
	for _, f := range fieldsOf(t) {
		all = append(all, f.name)
		if valueType(f.Type).Kind() == reflect.Struct {
			for _, path := range paths(valueType(f.Type)) {
				all = append(all, f.name+"."+path)
			}
		}
	}
	return all
}

func fieldNamed(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}
