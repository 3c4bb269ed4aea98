package compile

import (
	"fmt"
	"reflect"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// assignment connects a setting of documents with the field of ir that has its path in a setting tag.
type assignment struct {
	from config.Setting
	to   []int
}

var (
	upstreamSettings = assignmentsOf(reflect.TypeFor[ir.Upstream]())
	routeSettings    = assignmentsOf(reflect.TypeFor[ir.Route]())
)

// assignmentsOf finds the tagged fields of a struct and of the structs that it points to. It panics on a tag that
// names no setting, which is a bug of doyen.
func assignmentsOf(t reflect.Type) (all []assignment) {
	for f := range t.Fields() {
		if path, ok := f.Tag.Lookup("setting"); ok {
			all = append(all, assignment{settingNamed(path), f.Index})
		} else if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct {
			for _, inner := range assignmentsOf(f.Type.Elem()) {
				all = append(all, assignment{inner.from, append(append([]int{}, f.Index...), inner.to...)})
			}
		}
	}
	return all
}

func settingNamed(path string) config.Setting {
	for _, s := range config.Settings() {
		if s.Path == path {
			return s
		}
	}
	panic(fmt.Sprintf("compile: there is no setting %q", path))
}

// apply sets the fields of the ir value that to points to, and of the structs in it, to resolved settings. It returns
// the places that decided them; a built-in value has the zero place.
func apply(assignments []assignment, to any, t *config.Traffic) (decidedAt []mesh.Origin) {
	for _, a := range assignments {
		at := reflect.ValueOf(to).Elem()
		for _, i := range a.to {
			if at.Kind() == reflect.Pointer {
				if at.IsNil() {
					at.Set(reflect.New(at.Type().Elem()))
				}
				at = at.Elem()
			}
			at = at.Field(i)
		}
		value, origin := a.from.Of(t)
		at.Set(value.Convert(at.Type()))
		decidedAt = append(decidedAt, origin)
	}
	return decidedAt
}
