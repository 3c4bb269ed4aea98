package yamldoc

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strconv"
)

// Written returns a canonical form of the fields that are set in the struct that v points to. Fields that are
// absent are left out, so that it stays the same when a later release knows more fields. Places are left out too.
func (r *Reader) Written(v any) []byte { return r.appendWritten(nil, reflect.ValueOf(v).Elem()) }

func (r *Reader) appendWritten(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Pointer:
		return r.appendWritten(b, v.Elem())
	case reflect.Slice:
		b = binary.AppendUvarint(b, uint64(v.Len()))
		for i := range v.Len() {
			b = r.appendWritten(b, v.Index(i))
		}
		return b
	case reflect.Struct:
		if isSetting(v.Type()) {
			return r.appendWritten(b, v.Field(settingValue))
		}
		return r.appendFields(b, v)
	case reflect.String:
		return appendText(b, v.String())
	case reflect.Bool:
		return appendText(b, strconv.FormatBool(v.Bool()))
	default:
		return appendText(b, strconv.FormatInt(v.Int(), 10))
	}
}

// appendFields appends the fields that are set, by name, and an empty name.
func (r *Reader) appendFields(b []byte, v reflect.Value) []byte {
	fields := r.sorted[v.Type()]
	for i := range fields {
		if at := v.FieldByIndex(fields[i].Index); !r.absent(at) {
			b = r.appendWritten(appendText(b, fields[i].name), at)
		}
	}
	return appendText(b, "")
}

// absent reports whether nothing is set in v. An empty group says the same as none.
func (r *Reader) absent(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || isSetting(v.Type()) {
		return v.IsZero()
	}
	return !slices.ContainsFunc(r.fields[v.Type()], func(f field) bool { return !r.absent(v.FieldByIndex(f.Index)) })
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}
