package config

import (
	"cmp"
	"slices"
	"testing"
)

func TestChangesSince(t *testing.T) {
	base := Files{
		"mesh.yaml":  []byte("kind: Mesh\nname: m\n"),
		"users.yaml": []byte(users),
		"pay.yaml":   []byte(payments),
		"db.yaml":    []byte("kind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: 5432\n"),
		"edge.yaml":  []byte("kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: users}\n"),
	}
	old := mustParse(t, base)
	for _, test := range []struct {
		name, file, text string // an empty text removes the file
		want             []Key
	}{
		{"nothing", "users.yaml", users, nil},
		{"a comment at the end", "users.yaml", users + "# end\n", nil},
		{"a service", "pay.yaml", payments + "traffic: {timeout: 1s}\n", []Key{ServiceKey("payments")}},
		{"the place of a service", "pay.yaml", "\n" + payments, []Key{ServiceKey("payments")}},
		{"a new service", "new.yaml", "kind: Service\nname: new\n", []Key{ServiceKey("new")}},
		{"the mesh", "mesh.yaml", "kind: Mesh\nname: m\ndefaults: {timeout: 1s}\n", []Key{MeshKey()}},
		{"an external that is gone", "db.yaml", "", []Key{ExternalKey("db")}},
		{"an external that becomes a service", "db.yaml", "kind: Service\nname: db\n", []Key{ExternalKey("db"), ServiceKey("db")}},
		{"an edge", "edge.yaml", "kind: Edge\nname: public\nlisteners: 8001\nroutes: {to: users}\n", []Key{EdgeKey("public")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := Files{}
			for name, text := range base {
				files[name] = text
			}
			files[test.file] = []byte(test.text)
			if test.text == "" {
				delete(files, test.file)
			}
			got := mustParse(t, files).Documents.ChangesSince(&old.Documents)
			slices.SortFunc(got, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
			if !slices.Equal(got, test.want) {
				t.Errorf("changes %v: want %v", got, test.want)
			}
		})
	}
}

func mustParse(t *testing.T, files Files) *Snapshot {
	t.Helper()
	s, problems := Parse(files)
	if problems != nil {
		t.Fatal(problems)
	}
	return s
}
