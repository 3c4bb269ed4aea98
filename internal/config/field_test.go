package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Each example of the reference is one that the decoder takes.
func TestExamplesAreValid(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		described, _ := yamldoc.Describe(nil, typ)
		var text strings.Builder
		for _, f := range described[0].Fields {
			if f.Example == "" {
				t.Errorf("%s.%s has no example", typ, f.Name)
			}
			fmt.Fprintf(&text, "%s: %s\n", f.Name, f.Example)
		}
		docs, problems := yamldoc.Read("example.yaml", []byte(text.String()))
		if problems == nil {
			var complete func()
			problems, complete = reader.Decode(docs[0], reflect.New(typ).Interface())
			complete()
		}
		if problems != nil {
			t.Errorf("%s: %v", typ, problems)
		}
		for f := range typ.Fields() {
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				if _, isSetting := inner.FieldByName("Given"); isSetting {
					continue
				}
			}
			if inner.Kind() == reflect.Struct && f.Tag.Get("json") != "-" && !f.Anonymous {
				visit(inner)
			}
		}
	}
	for _, kind := range Kinds() {
		visit(kind)
	}
}

// The words for protocols stand in tags, which cannot refer to mesh.Protocols.
func TestProtocolWords(t *testing.T) {
	kinds, groups := yamldoc.Describe(nil, Kinds()...)
	for _, g := range append(kinds, groups...) {
		for _, f := range g.Fields {
			if f.Name == "protocol" && !slices.Equal(f.Words, protocols()) {
				t.Errorf("%s.protocol takes %v: want %v", g.Name, f.Words, mesh.Protocols)
			}
		}
	}
}
