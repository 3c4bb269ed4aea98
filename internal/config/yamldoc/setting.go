package yamldoc

import (
	"encoding/json"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Setting is a value that a document may leave to a wider scope, such as the defaults of the whole mesh. The
// reader does not fill in the defaults of settings: absent ones stay absent, and whoever combines the scopes
// decides.
type Setting[T any] struct {
	Value  T
	Origin mesh.Origin // where it is written; zero for a built-in default
	Given  bool        // false if the document does not have it
}

// BuiltIn reports whether no document decided the value.
func (s Setting[T]) BuiltIn() bool { return s.Origin == mesh.Origin{} }

// IsZero reports whether the setting is absent; encoding/json leaves absent settings out.
func (s Setting[T]) IsZero() bool { return !s.Given }

// MarshalJSON writes the value alone.
func (s Setting[T]) MarshalJSON() ([]byte, error) { return json.Marshal(s.Value) }

func (s Setting[T]) setting() {}

// Unset is the built-in value of a number whose default is not a number. It is below every range, so no document can
// set it. The unset tag says what holds instead.
const Unset = -1

// The fields of a Setting, by their index.
const (
	settingValue = iota
	settingOrigin
	settingGiven
)

// isSetting reports whether t is a Setting of any type.
func isSetting(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ setting() }]())
}

// give sets a Setting to the value that it holds, written at origin.
func give(setting reflect.Value, origin mesh.Origin) {
	setting.Field(settingOrigin).Set(reflect.ValueOf(origin))
	setting.Field(settingGiven).SetBool(true)
}

// valueType is a type without the pointer or Setting around it.
func valueType(t reflect.Type) reflect.Type {
	switch {
	case t.Kind() == reflect.Pointer:
		return t.Elem()
	case isSetting(t):
		return t.Field(settingValue).Type
	}
	return t
}

// core is a type without pointer, Setting and list.
func core(t reflect.Type) reflect.Type {
	t = valueType(t)
	if t.Kind() == reflect.Slice {
		t = valueType(t.Elem())
	}
	return t
}
