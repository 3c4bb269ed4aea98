package config

import (
	"fmt"
	"reflect"
)

// setDefaults gives each unset field of the struct v the value of its default tag. Pointers are left
// alone unless deep is set: nil there means that a wider place decides.
func setDefaults(v reflect.Value, deep bool) {
	for _, f := range fieldsOf(v.Type()) {
		at := v.FieldByIndex(f.Index)
		if text, ok := f.Tag.Lookup("default"); ok && at.IsZero() && (deep || at.Kind() != reflect.Pointer) {
			setDefault(at, f, text)
		}
		if deep && at.Kind() == reflect.Pointer && at.Type().Elem().Kind() == reflect.Struct {
			at.Set(reflect.New(at.Type().Elem()))
			setDefaults(at.Elem(), deep)
		}
	}
}

// setDefault panics on a tag that the field's own rules refuse: the tags are ours.
func setDefault(at reflect.Value, f field, text string) {
	set := func(at reflect.Value, text string) {
		if wrong := setScalar(at, f, text); wrong != nil {
			panic(fmt.Sprintf("config: default of %s: %s", f.name, wrong.message))
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
