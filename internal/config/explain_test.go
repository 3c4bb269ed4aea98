package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

const explained = `
kind: Mesh
name: m
defaults: {connectTimeout: 250ms}
bounds: {maxTimeout: 20s}
---
kind: Service
name: web
calls: [{to: users, traffic: {timeout: 2s}}, db]
---
kind: Service
name: users
ports: 8080
traffic: {timeout: 5s, retries: 0}
---
kind: External
name: db
protocol: tcp
host: db.example.com
port: 5432
traffic: {connectTimeout: 1s}
`

func TestExplain(t *testing.T) {
	docs := parseOne(t, explained).Documents
	call, ok := docs.ExplainCall("web", "users")
	service, okService := docs.ExplainService("users")
	external, okExternal := docs.ExplainCall("web", "db")
	if !ok || !okService || !okExternal {
		t.Fatal(ok, okService, okExternal)
	}
	for _, test := range []struct {
		name string
		all  []Explained
		want Explained
	}{
		{"by the call", call, Explained{"timeout", "2s", "call", "one.yaml:9:40", "20s", "one.yaml:5:22", true}},
		{"by the service", call, Explained{"retries.attempts", "0", "service", "one.yaml:14:33", "", "", true}},
		{"by the mesh", call, Explained{"connectTimeout", "250ms", "mesh", "one.yaml:4:28", "", "", true}},
		{"built in", call, Explained{"outliers.interval", "1s", "built-in", "", "", "", true}},
		{"what zero means", call, Explained{"slowStart", "0s (off)", "built-in", "", "", "", true}},
		{"without the call", service, Explained{"timeout", "5s", "service", "one.yaml:14:20", "20s", "one.yaml:5:22", true}},
		{"by an external", external, Explained{"connectTimeout", "1s", "external", "one.yaml:21:27", "", "", true}},
		{"for requests only", external, Explained{"timeout", "15s", "built-in", "", "20s", "one.yaml:5:22", false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := slices.IndexFunc(test.all, func(e Explained) bool { return e.Setting == test.want.Setting })
			if len(test.all) != len(Settings()) || at < 0 {
				t.Fatalf("%d settings: want %d", len(test.all), len(Settings()))
			}
			if diff := cmp.Diff(test.want, test.all[at]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, none := range [][2]mesh.ServiceName{{"users", "web"}, {"web", "nobody"}, {"nobody", "users"}} {
		if _, ok := docs.ExplainCall(none[0], none[1]); ok {
			t.Errorf("%s calls %s", none[0], none[1])
		}
	}
}
