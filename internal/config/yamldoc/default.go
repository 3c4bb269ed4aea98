package yamldoc

import (
	"fmt"
	"reflect"
)

// setDefaults gives the fields of the struct v that are not in given the values of their default tags.
func (r *Reader) setDefaults(v reflect.Value, fields []field, given map[string]bool) {
	for _, f := range fields {
		if text, ok := f.Tag.Lookup("default"); ok && !given[f.name] {
			r.setDefault(v.FieldByIndex(f.Index), f, text)
		}
	}
}

// Defaults gives each field of the struct that into points to, and of the structs below it, the value of its
// default tag.
func (r *Reader) Defaults(into any) { r.setAll(reflect.ValueOf(into).Elem()) }

// setAll gives each field of the struct v, and of the structs below it, the value of its default tag.
func (r *Reader) setAll(v reflect.Value) {
	for _, f := range r.fields[v.Type()] {
		at := v.FieldByIndex(f.Index)
		if deref(f.Type).Kind() == reflect.Struct {
			at.Set(reflect.New(deref(f.Type)))
			r.setAll(at.Elem())
		} else {
			r.setDefault(at, f, f.Tag.Get("default"))
		}
	}
}

// setDefault panics on a tag that the field's own rules refuse: the tags are ours.
func (r *Reader) setDefault(at reflect.Value, f field, text string) {
	set := func(at reflect.Value, text string) {
		if wrong := r.setScalar(at, f, text); wrong != nil {
			panic(fmt.Sprintf("yamldoc: default of %s: %s", f.name, wrong.Message))
		}
	}
	switch at.Kind() {
	case reflect.Pointer:
		at.Set(reflect.New(at.Type().Elem()))
		set(at.Elem(), text)
	case reflect.Slice:
		for _, word := range list(text) {
			item := reflect.New(at.Type().Elem()).Elem()
			set(item, word)
			at.Set(reflect.Append(at, item))
		}
	default:
		set(at, text)
	}
}
