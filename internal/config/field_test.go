package config

import (
	"reflect"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Each example of the reference is one that the decoder takes, and each field has prose and an example.
func TestFieldsAreDescribed(t *testing.T) {
	kinds, groups := Describe()
	if len(kinds) != len(documentKinds) || len(groups) == 0 {
		t.Fatalf("%d kinds and %d groups", len(kinds), len(groups))
	}
	for _, g := range append(kinds, groups...) {
		if g.Doc == "" {
			t.Errorf("%s has no doc comment", g.Name)
		}
		for _, f := range g.Fields {
			if f.Doc == "" || f.Example == "" {
				t.Errorf("%s.%s: doc %q, example %q: want both", g.Name, f.Name, f.Doc, f.Example)
			}
		}
	}
}

func TestExamplesAreValid(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		for _, f := range fieldsOf(typ) {
			var n yaml.Node
			if err := yaml.Load([]byte(f.Tag.Get("example")), &n); err != nil {
				t.Errorf("%s.%s: %v", typ, f.name, err)
				continue
			}
			var problems Problems
			d := decoder{document: &document{problems: &problems}, fields: map[reflect.Type][]field{}}
			if !d.value(n.Content[0], reflect.New(f.Type).Elem(), f) {
				t.Errorf("%s.%s: example %s: %v", typ, f.name, f.Tag.Get("example"), problems)
			}
			if inner := core(f.Type); inner.Kind() == reflect.Struct {
				visit(inner)
			}
		}
	}
	for _, k := range documentKinds {
		visit(reflect.TypeOf(k.make()).Elem())
	}
}
