package yamldoc

import (
	"fmt"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// setDefaults gives the fields of the struct v that are not in given the values of their default tags.
// Settings stay absent.
func (r *Reader) setDefaults(v reflect.Value, fields []field, given map[string]bool) {
	for _, f := range fields {
		if f.initial != nil && !f.setting && !given[f.name] {
			r.setDefault(v.FieldByIndex(f.Index), f, *f.initial)
		}
	}
}

// BuiltIn gives each setting of the struct that into points to, and of the structs below it, the value of its
// default tag, or Unset if it has an unset tag. A setting without these tags stays absent.
func (r *Reader) BuiltIn(into any) { r.builtIn(reflect.ValueOf(into).Elem()) }

func (r *Reader) builtIn(v reflect.Value) {
	for _, f := range r.fields[v.Type()] {
		at := v.FieldByIndex(f.Index)
		switch {
		case f.setting && f.initial != nil:
			r.setDefault(at.Field(settingValue), f, *f.initial)
			give(at, mesh.Origin{})
		case f.setting && f.unset != "":
			at.Field(settingValue).SetInt(Unset)
			give(at, mesh.Origin{})
		case at.Kind() == reflect.Struct && !f.setting:
			r.builtIn(at)
		}
	}
}

// setDefault panics on a tag that the field's own rules refuse: tags are written by us.
func (r *Reader) setDefault(at reflect.Value, f field, text string) {
	set := func(at reflect.Value, text string) {
		if wrong := r.setScalar(at, f, text); wrong != nil {
			panic(fmt.Sprintf("yamldoc: default of %s: %s", f.name, wrong.Message))
		}
	}
	if at.Kind() != reflect.Slice {
		set(at, text)
		return
	}
	for _, word := range list(text) {
		item := reflect.New(at.Type().Elem()).Elem()
		set(item, word)
		at.Set(reflect.Append(at, item))
	}
}
