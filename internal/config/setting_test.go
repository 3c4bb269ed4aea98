package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Every setting has a built-in default, which has no origin. The reference page pins the defaults themselves, because
// fleets rely on them without writing them in any document.
func TestBuiltIn(t *testing.T) {
	resolved := Resolve()
	for _, s := range Settings() {
		if v, origin := s.Of(&resolved); origin != (mesh.Origin{}) || !given(reflect.ValueOf(resolved).FieldByIndex(s.index)) {
			t.Errorf("%s: %v, decided at %v", s.Path, v, origin)
		}
	}
	if got := time.Duration(resolved.Timeout.Value); got != 15*time.Second {
		t.Errorf("timeout %v: want 15s", got)
	}
}

func TestResolve(t *testing.T) {
	at := func(file string) mesh.Origin { return mesh.Origin{File: file, Line: 1} }
	attempts := func(n int, file string) *Traffic {
		return &Traffic{Retries: Retries{Attempts: yamldoc.Setting[int]{Value: n, Origin: at(file), Given: true}}}
	}
	reset := []string{"reset"}
	on := &Traffic{Retries: Retries{On: yamldoc.Setting[[]string]{Value: reset, Origin: at("on"), Given: true}}}
	builtIn := Resolve().Retries

	for _, test := range []struct {
		name     string
		scopes   []*Traffic
		attempts int
		at       mesh.Origin
		on       []string
	}{
		{"the narrowest scope wins", []*Traffic{attempts(1, "call"), attempts(2, "service"), attempts(3, "mesh")}, 1, at("call"), builtIn.On.Value},
		{"what is absent comes from a wider scope", []*Traffic{nil, {}, attempts(3, "mesh")}, 3, at("mesh"), builtIn.On.Value},
		{"fields of a group are decided one by one", []*Traffic{attempts(1, "call"), on}, 1, at("call"), reset},
		{"zero is a value", []*Traffic{attempts(0, "call"), attempts(2, "mesh")}, 0, at("call"), builtIn.On.Value},
		{"no scope has it", []*Traffic{nil, {}}, 2, mesh.Origin{}, builtIn.On.Value},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Resolve(test.scopes...).Retries
			if got.Attempts.Value != test.attempts || got.Attempts.Origin != test.at || !slices.Equal(got.On.Value, test.on) {
				t.Errorf("attempts %v, on %v: want %d at %v and %v", got.Attempts, got.On, test.attempts, test.at, test.on)
			}
		})
	}
}

// Every setting of the reference is resolved: each has an example that is not its default, and a Mesh that sets all
// of them decides all of them.
func TestResolveDecidesEverySetting(t *testing.T) {
	text := exampleOf(reflect.TypeFor[Traffic]())
	resolved := Resolve(parseOne(t, "kind: Mesh\nname: m\ndefaults: "+text+"\n").Documents.Mesh.Defaults)
	builtIn := Resolve()
	for _, s := range Settings() {
		got, origin := s.Of(&resolved)
		if origin.File != "one.yaml" || origin.Line != 3 || origin.Column == 0 {
			t.Errorf("%s is decided at %v", s.Path, origin)
		}
		if unset, _ := s.Of(&builtIn); reflect.DeepEqual(got.Interface(), unset.Interface()) {
			t.Errorf("%s: the example %v is the default", s.Path, got)
		}
	}
}

// exampleOf writes a group of fields with the examples of all fields in it.
func exampleOf(group reflect.Type) string {
	var fields []string
	for f := range group.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		example := f.Tag.Get("example")
		if _, isSetting := f.Type.FieldByName("Given"); !isSetting {
			example = exampleOf(f.Type)
		}
		fields = append(fields, name+": "+example)
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// An empty group says the same as none.
func TestEmptyTraffic(t *testing.T) {
	const service = "kind: Service\nname: s\nports: 80\n"
	want := revisionOf(t, Files{"a.yaml": []byte(service)})
	for _, more := range []string{"traffic: {}\n", "traffic: {retries: {}}\n"} {
		if got := revisionOf(t, Files{"a.yaml": []byte(service + more)}); got != want {
			t.Errorf("with %q the revision is %s: want %s", more, got, want)
		}
	}
}

func parseOne(t *testing.T, text string) *Snapshot {
	t.Helper()
	s, problems := Parse(Files{"one.yaml": []byte(text)})
	if problems != nil {
		t.Fatal(problems)
	}
	return s
}
