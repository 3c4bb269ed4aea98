package reference

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/config"
)

// compiled is the schema as an implementation of JSON Schema understands it; compiling checks it against
// the rules of draft 2020-12.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(URL, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(URL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents are the documents of a file, as editors read them.
func documents(t *testing.T, text []byte) []any {
	t.Helper()
	var docs []any
	if err := yaml.Load(text, &docs, yaml.WithAllDocuments()); err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestSchemaTakesTheExamples(t *testing.T) {
	s := compiled(t)
	files, err := filepath.Glob("../../../examples/shop/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range documents(t, text) {
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// An editor marks what is wrong with one document, and nothing that is right.
func TestSchema(t *testing.T) {
	s := compiled(t)
	for _, test := range []struct {
		valid bool
		text  string
	}{
		{true, "{kind: Service, name: users}"},
		{true, "{kind: Service, name: users, version: 1, ports: [8080, 9090/grpc, {name: admin, port: 1}]}"},
		{true, "{kind: Service, name: users, ports: 80/tcp, health: tcp, calls: payments}"},
		{true, "{kind: Service, name: users, ports: 80, health: /healthz, calls: [a, {to: b, traffic: {timeout: 1m30s}}]}"},
		{true, "{kind: Service, name: users, traffic: {retries: 0, outliers: 3}}"},
		{true, "{kind: Service, name: users, traffic: {retries: {attempts: 1, on: [reset, 5xx]}, timeout: 0s}}"},
		{true, "{kind: Mesh, name: m, defaults: {timeout: 1s}, bounds: {maxRetries: 0}}"},
		{true, "{kind: Edge, name: e, listeners: [80, {port: 443, tls: {certificate: /c, key: /k}}], routes: {hosts: ['*', '*.a.b'], to: u}}"},
		{true, "{kind: Edge, name: e, listeners: 80, gateway: east}"},
		{true, "{kind: Mesh, name: m, networks: [{name: default}, {name: east, gateways: ['::1', 10.0.0.1], port: 80}]}"},
		{true, "{kind: External, name: e, protocol: tcp, addresses: ['::1', 10.0.0.1], port: 1, tls: {}}"},

		{false, "{name: users}"},
		{false, "{kind: Servise, name: users}"},
		{false, "{kind: Service}"},
		{false, "{kind: Service, name: Users}"},
		{false, "{kind: Service, name: users, version: 2}"},
		{false, "{kind: Service, name: users, listeners: 80}"},
		{false, "{kind: Service, name: users, owner: 42}"},
		{false, "{kind: Service, name: users, ports: 0}"},
		{false, "{kind: Service, name: users, ports: []}"},
		{false, "{kind: Service, name: users, ports: 80/udp}"},
		{false, "{kind: Service, name: users, ports: {protocol: http}}"},
		{false, "{kind: Service, name: users, health: healthz}"},
		{false, "{kind: Service, name: users, calls: [{target: a}]}"},
		{false, "{kind: Service, name: users, traffic: {timeout: 5}}"},
		{false, "{kind: Service, name: users, traffic: {timeout: soon}}"},
		{false, "{kind: Service, name: users, traffic: {retries: 11}}"},
		{false, "{kind: Service, name: users, traffic: {retries: {on: sometimes}}}"},
		{false, "{kind: Edge, name: e, listeners: 80, gateway: East}"},
		{false, "{kind: Mesh, name: m, networks: [{gateways: 10.0.0.1}]}"},
		{false, "{kind: Edge, name: e, listeners: {port: 80, tls: {certificate: /c}}, routes: {to: u}}"},
		{false, "{kind: Edge, name: e, listeners: {port: 80, tls: {certificate: c, key: /k}}, routes: {to: u}}"},
		{false, "{kind: Edge, name: e, listeners: 80, routes: {to: u, path: users}}"},
		{false, "{kind: Edge, name: e, listeners: 80, routes: {to: u, hosts: 'a:80'}}"},
		{false, "{kind: External, name: e, protocol: https, host: a.b, port: 1}"},
		{false, "{kind: External, name: e, protocol: tcp, host: 10.0.0.1, port: 1}"},
		{false, "{kind: External, name: e, protocol: tcp, addresses: a.b, port: 1}"},
	} {
		for _, doc := range documents(t, []byte(test.text)) {
			if err := s.Validate(doc); (err == nil) != test.valid {
				t.Errorf("%s: error %v: want valid to be %t", test.text, err, test.valid)
			}
		}
		if _, problems := config.Parse(config.Files{"d.yaml": []byte(test.text)}); !test.valid && problems == nil {
			t.Errorf("%s: the decoder takes it", test.text)
		}
	}
}
