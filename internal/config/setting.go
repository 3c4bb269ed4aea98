package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Setting is one field of Traffic that a document can set, such as retries.attempts. Everything about it comes from the
// tags of Traffic.
type Setting struct {
	Path string // from a Traffic: retries.attempts

	index           []int // in Traffic
	bound           []int // in Bounds; nil if the setting has none
	boundName       string
	zero            string // what 0 means; "" if it is an ordinary value
	unset           string // what yamldoc.Unset means; "" if the setting always has a value
	requestsOnly    bool
	sharedByCallers bool // a call cannot set it
}

// noLimit is the zero tag of a setting whose 0 is above every bound.
const noLimit = "no limit"

// settings are all settings, in the order of Traffic.
var settings = settingsOf(reflect.TypeFor[Traffic](), Setting{})

// Settings returns all settings, in the order in which the reference describes them.
func Settings() []Setting { return settings }

// settingsOf returns the settings of a group of Traffic; outer is what they inherit.
func settingsOf(group reflect.Type, outer Setting) (all []Setting) {
	for f := range group.Fields() {
		s := outer
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.Path = strings.TrimPrefix(outer.Path+"."+name, ".")
		s.index = append(append([]int{}, outer.index...), f.Index...)
		s.zero, s.unset = f.Tag.Get("zero"), f.Tag.Get("unset")
		s.sharedByCallers = f.Tag.Get("callers") == "same"
		s.requestsOnly = outer.requestsOnly || f.Tag.Get("requests") == "only"
		if s.boundName = f.Tag.Get("bound"); s.boundName != "" {
			s.bound = boundIndex(s.boundName)
		}
		if _, given := f.Type.FieldByName("Given"); given {
			all = append(all, s)
		} else {
			all = append(all, settingsOf(f.Type, s)...)
		}
	}
	return all
}

// boundIndex finds a bound by its name in documents. It panics if there is none: tags are written by us.
func boundIndex(name string) []int {
	for f := range reflect.TypeFor[Bounds]().Fields() {
		if strings.HasPrefix(f.Tag.Get("json"), name+",") {
			return f.Index
		}
	}
	panic(fmt.Sprintf("config: there is no bound %q", name))
}

// builtIn holds the default of every setting.
var builtIn = func() (t Traffic) {
	reader.BuiltIn(&t)
	return t
}()

// Resolve decides every setting of one call. The scopes go from the narrowest to the widest; nil sets nothing:
//
//	Resolve(call.Traffic, callee.Traffic, docs.Mesh.Defaults)
//
// Each setting comes from the first scope that has it, independently of the others: a call that sets only
// retries.attempts takes retries.on from a wider scope. The built-in default is behind all of them. In the
// result every setting is given, and its Origin says which document decided it.
func Resolve(scopes ...*Traffic) Traffic {
	resolved := builtIn
	to := reflect.ValueOf(&resolved).Elem()
	for i := len(scopes) - 1; i >= 0; i-- {
		if scopes[i] == nil {
			continue
		}
		from := reflect.ValueOf(scopes[i]).Elem()
		for _, s := range settings {
			if v := from.FieldByIndex(s.index); given(v) {
				to.FieldByIndex(s.index).Set(v)
			}
		}
	}
	return resolved
}

// A Setting of package yamldoc as reflection sees it.

func given(v reflect.Value) bool          { return v.FieldByIndex(givenField).Bool() }
func value(v reflect.Value) reflect.Value { return v.FieldByIndex(valueField) }
func origin(v reflect.Value) mesh.Origin {
	return v.FieldByIndex(originField).Interface().(mesh.Origin)
}

var givenField, valueField, originField = settingField("Given"), settingField("Value"), settingField("Origin")

func settingField(name string) []int {
	f, _ := reflect.TypeFor[yamldoc.Setting[int]]().FieldByName(name)
	return f.Index
}

// Of returns the value of the setting in t, and the place that decided it. t is what Resolve returned.
func (s Setting) Of(t *Traffic) (reflect.Value, mesh.Origin) {
	v := reflect.ValueOf(t).Elem().FieldByIndex(s.index)
	return value(v), origin(v)
}

// in returns what a scope sets, and where; false if it does not set it. t may be nil.
func (s Setting) in(t *Traffic) (v reflect.Value, decided mesh.Origin, ok bool) {
	if t == nil {
		return reflect.Value{}, mesh.Origin{}, false
	}
	at := reflect.ValueOf(t).Elem().FieldByIndex(s.index)
	return value(at), origin(at), given(at)
}

// limit returns the bound of the setting; false if there is none.
func (s Setting) limit(bounds *Bounds) (limit reflect.Value, ok bool) {
	if s.bound == nil {
		return reflect.Value{}, false
	}
	limit = reflect.ValueOf(bounds).Elem().FieldByIndex(s.bound)
	return limit, given(limit)
}

// exceeds reports whether a number or duration is above a limit.
func (s Setting) exceeds(v, limit reflect.Value) bool {
	return v.Int() > limit.Int() || s.zero == noLimit && v.Int() == 0
}

// format writes a value as documents do.
func format(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		return strings.Join(v.Interface().([]string), ", ")
	}
	return fmt.Sprint(v.Interface())
}

// format is the value with what it means.
func (s Setting) format(v reflect.Value) string {
	if s.unset != "" && v.Int() == yamldoc.Unset {
		return s.unset
	}
	if s.zero != "" && v.CanInt() && v.Int() == 0 {
		return format(v) + " (" + s.zero + ")"
	}
	return format(v)
}

// callTraffic does what traffic does, for settings that do not come from a Service or the Mesh.
func (c *checker) callTraffic(path string, t *Traffic, protocol mesh.Protocol) {
	for _, s := range settings {
		if _, _, set := s.in(t); set && s.sharedByCallers {
			c.report(path+"."+s.Path, &yamldoc.Problem{Message: s.Path + " is the same for all callers of a service",
				Hint: "set traffic." + s.Path + " in the service's manifest, or defaults." + s.Path + " in the Mesh"})
		}
	}
	c.traffic(path, t, protocol)
}

// traffic checks the settings at path for calls by a protocol; "" stands for calls by several.
func (c *checker) traffic(path string, t *Traffic, protocol mesh.Protocol) {
	if t == nil {
		return
	}
	refused := ""
	for _, s := range settings {
		v := reflect.ValueOf(t).Elem().FieldByIndex(s.index)
		if !given(v) {
			continue
		}
		group, _, _ := strings.Cut(s.Path, ".")
		limit, bounded := s.limit(&c.docs.Mesh.Bounds)
		switch {
		case protocol == mesh.TCP && s.requestsOnly && refused == group:
		case protocol == mesh.TCP && s.requestsOnly:
			refused = group
			c.report(path+"."+group, &yamldoc.Problem{Message: group + " has no meaning for tcp, which has no requests",
				Hint: "leave it out; connectTimeout, circuitBreaker and outliers apply to connections"})
		case bounded && s.exceeds(value(v), value(limit)):
			c.reportWith(path+"."+s.Path, &yamldoc.Problem{
				Message:  fmt.Sprintf("%s %s is above the mesh's bound of %s", s.Path, s.format(value(v)), format(value(limit))),
				Expected: "at most " + format(value(limit)),
			}, origin(limit))
		}
	}
	whole, try := t.Timeout, t.Retries.PerTryTimeout
	if protocol != mesh.TCP && whole.Value > 0 && try.Value > whole.Value {
		c.reportWith(path+".retries.perTryTimeout", &yamldoc.Problem{
			Message:  fmt.Sprintf("perTryTimeout %s is longer than the timeout of the whole request, %s", try.Value, whole.Value),
			Expected: fmt.Sprintf("at most %s", whole.Value),
		}, whole.Origin)
	}
}

// defaults checks that a service that sets nothing is within the bounds.
func (c *checker) defaults(m *Mesh) {
	resolved := Resolve(m.Defaults)
	for _, s := range settings {
		v, decided := s.Of(&resolved)
		limit, bounded := s.limit(&m.Bounds)
		if bounded && decided == (mesh.Origin{}) && s.exceeds(v, value(limit)) {
			c.report("bounds."+s.boundName, &yamldoc.Problem{
				Message: fmt.Sprintf("the bound of %s is below the built-in %s of %s, which applies to every call", format(value(limit)), s.Path, s.format(v)),
				Hint:    fmt.Sprintf("set defaults.%s, at most %s", s.Path, format(value(limit))),
			})
		}
	}
}
