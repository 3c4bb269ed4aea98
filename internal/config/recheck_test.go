package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A parser that checks only what a change may have made wrong finds the same problems as one that checks everything.
func TestCheckOfChanges(t *testing.T) {
	files := Files{
		"mesh.yaml":   []byte("kind: Mesh\nname: shop\nbounds: {maxTimeout: 60s}\n"),
		"web.yaml":    []byte("kind: Service\nname: web\nports: 8080\ncalls: [{to: users, traffic: {timeout: 10s, retries: {attempts: 2}}}, db]\n"),
		"users.yaml":  []byte("kind: Service\nname: users\nports: [{protocol: http, port: 8081}]\n"),
		"db.yaml":     []byte("kind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: 5432\n"),
		"public.yaml": []byte("kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: users}\n"),
	}
	var p Parser
	if _, problems := p.Parse(files.Texts()); problems != nil {
		t.Fatal(problems)
	}
	for _, test := range []struct{ name, file, old, fresh, says string }{
		{"a comment", "users.yaml", "kind", "# Users.\nkind", ""},
		{"the document", "web.yaml", "calls: [{", "calls: [nobody, {", `"nobody"`},
		{"the callee's protocol", "users.yaml", "protocol: http", "protocol: tcp", "retries has no meaning for tcp"},
		{"the callee is broken", "users.yaml", "ports", "prots", `"prots"`},
		{"the callee is renamed", "users.yaml", "name: users", "name: people", `"users"`},
		{"an external is renamed", "db.yaml", "name: db", "name: ledger", `"db"`},
		{"an external's port", "db.yaml", "port: 5432", "port: 8080", "port 8080 of 127.0.0.1"},
		{"a bound", "mesh.yaml", "60s", "5s", "above the mesh's bound"},
		{"a second document of a name", "users.yaml", "kind", "kind: Service\nname: web\nports: 8080\ncalls: [nobody]\n---\nkind", `"nobody"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := maps.Clone(files)
			changed[test.file] = []byte(strings.Replace(string(files[test.file]), test.old, test.fresh, 1))
			_, got := p.Parse(changed.Texts())
			_, want := Parse(changed)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problems (-all checked +changes checked):\n%s", diff)
			}
			if all := messages(got); (all == "") != (test.says == "") || !strings.Contains(all, test.says) {
				t.Errorf("problems:\n%s\nwant %q", all, test.says)
			}
			if _, problems := p.Parse(files.Texts()); problems != nil {
				t.Error(problems)
			}
		})
	}
}

func messages(all Problems) string {
	var text strings.Builder
	for _, p := range all {
		text.WriteString(p.Error() + "\n")
	}
	return text.String()
}
