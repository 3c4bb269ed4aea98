package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

const users = `# the users
kind: Service
name: users
ports:
  - 8080   # main
health: /healthz
calls: [payments]
traffic: {timeout: 90s}
`

const payments = `kind: Service
name: payments
ports: 9090/grpc
`

// Sets of documents that say the same have one revision, however they are written.
func TestRevisionOfTheSame(t *testing.T) {
	want := revisionOf(t, Files{"users.yaml": []byte(users), "payments.yaml": []byte(payments)})
	for name, files := range map[string]Files{
		"one file, the other order": {"all.yaml": []byte(payments + "---\n" + users)},
		"other names and folders":   {"team/a.yml": []byte(users), "b.yaml": []byte(payments)},
		"written out, without comments": {"all.yaml": []byte(`
traffic: {timeout: 1m30s}
name: users
calls: {to: payments}
health: {http: "/healthz"}
ports: [{port: 8080}]
kind: "Service"
---
{kind: Service, name: payments, ports: [{protocol: grpc, port: 9090}]}
`)},
		"carriage returns and a byte order mark": {
			"users.yaml":    []byte("\ufeff" + strings.ReplaceAll(users, "\n", "\r\n")),
			"payments.yaml": []byte(payments),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := revisionOf(t, files); got != want {
				t.Errorf("revision %s: want %s", got, want)
			}
		})
	}
}

// TestRevisionHasNoDefaults fixes the revision of documents that leave out all that may be left out. A release with
// other defaults or further fields must not change it: servers of two releases name the same documents alike.
func TestRevisionHasNoDefaults(t *testing.T) {
	files := Files{"users.yaml": []byte(users), "payments.yaml": []byte(payments)}
	if got, want := revisionOf(t, files), "f63ccdfd1dea"; got != want {
		t.Errorf("revision %s: want %s", got, want)
	}
	written := strings.Replace(payments, "kind: Service", "kind: Service\nversion: 1", 1)
	if revisionOf(t, files) == revisionOf(t, Files{"users.yaml": []byte(users), "payments.yaml": []byte(written)}) {
		t.Error("a value that is written and happens to be the default is not part of the revision")
	}
}

func TestRevisionOfOthers(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		users + "---\n" + payments,
		strings.Replace(users, "8080", "8081", 1) + "---\n" + payments,
		strings.Replace(users, "calls: [payments]\n", "", 1) + "---\n" + payments,
		strings.Replace(users, "{timeout: 90s}", "{timeout: 90s, retries: 0}", 1) + "---\n" + payments,
		users + "---\n" + payments + "owner: payments@example.com\n",
		users + "---\n" + payments + "---\nkind: Mesh\nname: m\nbounds: {maxTimeout: 5m}\n",
	} {
		revision := revisionOf(t, Files{"all.yaml": []byte(text)})
		if other, ok := seen[revision]; ok {
			t.Errorf("revision %s of two sets:\n%s\nand\n%s", revision, text, other)
		}
		seen[revision] = text
	}
}

// meaningOf is what files say, defaults filled in.
func meaningOf(t *testing.T, files Files) string {
	t.Helper()
	s, problems := Parse(files)
	if problems != nil {
		t.Fatal(problems)
	}
	return meaning(t, s)
}

// plain is a set of documents that can be printed and compared.
type plain struct {
	Mesh      *Mesh
	Services  map[mesh.ServiceName]*Service
	Edges     map[mesh.EdgeName]*Edge
	Externals map[mesh.ServiceName]*External
}

func plainOf(d Documents) plain {
	return plain{d.Mesh, maps.Collect(d.Services.All()), maps.Collect(d.Edges.All()), maps.Collect(d.Externals.All())}
}

var asMaps = gocmp.Transformer("plain", plainOf)

func meaning(t *testing.T, s *Snapshot) string {
	t.Helper()
	text, err := json.MarshalIndent(plainOf(s.Documents), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func revisionOf(t *testing.T, files Files) string {
	t.Helper()
	s, problems := Parse(files)
	if problems != nil {
		t.Fatal(problems)
	}
	return string(s.Revision)
}

// The same files give the same answer, origins included.
func TestParseIsPure(t *testing.T) {
	files := shopFiles(200)
	first, _ := Parse(files)
	for range 5 {
		again, _ := Parse(files)
		if diff := gocmp.Diff(first, again, asMaps); diff != "" {
			t.Fatalf("(-first +again):\n%s", diff)
		}
	}
}

// shopFiles are n documents as a fleet has them: mostly services, each with calls and traffic of its own.
func shopFiles(n int) Files {
	files := Files{
		"mesh.yaml": []byte("kind: Mesh\nname: shop\ndefaults: {timeout: 5s}\nbounds: {maxTimeout: 60s, maxRetries: 3}\n"),
		"edge.yaml": []byte("kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: s0}\n"),
		"db.yaml":   []byte("kind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: 5432\n"),
	}
	services := n - len(files)
	for i := range services {
		files[fmt.Sprintf("services/s%d.yaml", i)] = fmt.Appendf(nil, `# service %d of the fleet
kind: Service
name: s%d
owner: team-%d@example.com
ports:
  - {name: http, protocol: http, port: 8080}
  - {name: admin, port: 8181}
health: {http: /healthz, interval: 10s}
calls:
  - s%d
  - {to: s%d, traffic: {timeout: 1s}}
  - {to: db, localPort: 15432}
traffic:
  timeout: 2s
  retries: {attempts: 2, on: [connect-failure, reset]}
  circuitBreaker: {requests: 500}
`, i, i, i%10, (i+1)%services, (i+2)%services)
	}
	return files
}

// What a snapshot holds can be written as JSON, which is YAML, and read again as the same.
func TestRoundTrip(t *testing.T) {
	s := loadShop(t)
	if diff := gocmp.Diff(meaning(t, s), meaningOf(t, written(t, s))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func written(t *testing.T, s *Snapshot) Files {
	t.Helper()
	files := Files{}
	add := func(doc any) {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		files[fmt.Sprintf("%d.yaml", len(files))] = text
	}
	if s.Documents.Mesh.Name != "" {
		add(s.Documents.Mesh)
	}
	for d := range s.Documents.Services.Values() {
		add(d)
	}
	for d := range s.Documents.Edges.Values() {
		add(d)
	}
	for d := range s.Documents.Externals.Values() {
		add(d)
	}
	return files
}
