package envoy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// TestGolden reads cases of documents (*.yaml), a node (node.json) and what the registry knows (endpoints.json), and
// compares the ir (ir.json) and every resource (resources.json) with those in the case, or the error
// (error). A person reads the difference.
func TestGolden(t *testing.T) {
	for _, file := range caseFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file)
			got := c.compile(t)
			if *update {
				c.write(t, got)
			}
			want := map[string]string{}
			for _, f := range c.archive.Files {
				if isOutput(f.Name) {
					want[f.Name] = string(f.Data)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s differs (-want +got), `go test -update` rewrites it:\n%s", file, diff)
			}
		})
	}
}

// TestSameInputSameBytes compiles each case again, from files with other names and with the documents on other
// lines, and compares the versions, which are hashes of bytes: a revision does not depend on files either.
func TestSameInputSameBytes(t *testing.T) {
	for _, file := range caseFiles(t) {
		first, moved := readCase(t, file), readCase(t, file)
		for i, f := range moved.archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				moved.archive.Files[i] = txtar.File{Name: "moved/" + f.Name, Data: append([]byte("# moved\n"), f.Data...)}
			}
		}
		if diff := cmp.Diff(first.versions(t), moved.versions(t)); diff != "" {
			t.Errorf("%s: versions differ between two runs (-first +second):\n%s", file, diff)
		}
	}
}

// TestEveryOrigin checks that each resource of each case has an origin in a document.
func TestEveryOrigin(t *testing.T) {
	for _, file := range caseFiles(t) {
		p, err := readCase(t, file).proxy(t)
		if err != nil {
			continue
		}
		for _, r := range mustResources(t, p) {
			if r.Origin.File == "" || r.Origin.Line == 0 {
				t.Errorf("%s: %s %q has the origin %v", file, r.Type(), r.Name(), r.Origin)
			}
		}
		for ref, origins := range envoy.Origins(p) {
			if len(origins) == 0 || ref.Type == xds.EndpointType && len(origins) < 2 {
				t.Errorf("%s: %s %q has the origins %v", file, ref.Type, ref.Name, origins)
			}
		}
	}
}

// TestNobodyIsPinged checks that no upstream gets HTTP/2 pings: a gRPC server closes connections that are pinged more
// often than every five minutes, and with them their idle streams (gRFC A8).
func TestNobodyIsPinged(t *testing.T) {
	http2 := 0
	for _, file := range caseFiles(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		resources := string(content)
		http2 += strings.Count(resources, `"http2_protocol_options"`)
		if strings.Contains(resources, `"connection_keepalive"`) {
			t.Errorf("%s has pings", file)
		}
	}
	if http2 == 0 {
		t.Error("no case has HTTP/2")
	}
}

// A goldenCase is one txtar file.
type goldenCase struct {
	file    string
	archive *txtar.Archive
}

func caseFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return files
}

func readCase(t *testing.T, file string) goldenCase {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return goldenCase{file, archive}
}

func isOutput(name string) bool {
	return name == "ir.json" || name == "resources.json" || name == "error"
}

// documents parses the case's YAML files, which must be valid.
func (c goldenCase) documents(t *testing.T) *config.Documents {
	t.Helper()
	files := config.Files{}
	for _, f := range c.archive.Files {
		if strings.HasSuffix(f.Name, ".yaml") {
			files[f.Name] = f.Data
		}
	}
	snapshot, problems := config.Parse(files)
	if len(problems) > 0 {
		var text strings.Builder
		if err := yamldoc.Render(&text, problems, yamldoc.Style{}); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("%s:\n%s", c.file, text.String())
	}
	return &snapshot.Documents
}

// yaml returns all documents of the case in one stream.
func (c goldenCase) yaml() string {
	var all []string
	for _, f := range c.archive.Files {
		if strings.HasSuffix(f.Name, ".yaml") {
			all = append(all, string(f.Data))
		}
	}
	return strings.Join(all, "---\n")
}

// decode reads one of the case's JSON files into v. If there is no such file, v stays as it is.
func (c goldenCase) decode(t *testing.T, name string, v any) {
	t.Helper()
	for _, f := range c.archive.Files {
		if f.Name == name {
			if err := json.Unmarshal(f.Data, v); err != nil {
				t.Fatalf("%s: %s: %v", c.file, name, err)
			}
		}
	}
}

func (c goldenCase) proxy(t *testing.T) (ir.Proxy, error) {
	t.Helper()
	var node mesh.Node
	c.decode(t, "node.json", &node)
	return compile.Compile(c.documents(t), mesh.View{Node: node})
}

func (c goldenCase) endpoints(t *testing.T) []ir.EndpointSet {
	t.Helper()
	var sets []ir.EndpointSet
	c.decode(t, "endpoints.json", &sets)
	return sets
}

// compile returns the case's output by file name.
func (c goldenCase) compile(t *testing.T) map[string]string {
	t.Helper()
	p, err := c.proxy(t)
	if err != nil {
		return map[string]string{"error": err.Error() + "\n"}
	}
	return map[string]string{"ir.json": readable(t, p), "resources.json": c.resources(t, p)}
}

// readable returns ir as JSON, with durations and origins in readable form.
func readable(t *testing.T, p ir.Proxy) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, err = json.MarshalIndent(shorten("", v), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// shorten replaces the durations and origins in v, which is the value of key.
func shorten(key string, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = shorten(key, v[i])
		}
	case map[string]any:
		if key == "origin" || key == "decidedAt" {
			return fmt.Sprintf("%v:%v:%v %v", v["File"], v["Line"], v["Column"], v["Owner"])
		}
		for k := range v {
			v[k] = shorten(k, v[k])
		}
	case float64:
		if isDuration(key) {
			return time.Duration(v).String()
		}
	}
	return v
}

// isDuration reports whether the values of key are durations, as in settings and health checks.
func isDuration(key string) bool {
	resolved := config.Resolve()
	for _, s := range config.Settings() {
		v, _ := s.Of(&resolved)
		if _, ok := v.Interface().(config.Duration); ok && s.Path[strings.LastIndexByte(s.Path, '.')+1:] == key {
			return true
		}
	}
	return key == "interval" || key == "timeout"
}

// resources returns all resources of p and the assignments of the case, as JSON.
func (c goldenCase) resources(t *testing.T, p ir.Proxy) string {
	t.Helper()
	type shown struct {
		Origin     string          `json:"origin,omitempty"`
		References []string        `json:"references,omitempty"`
		Resource   json.RawMessage `json:"resource"`
	}
	var all []shown
	for _, r := range mustResources(t, p) {
		s := shown{Origin: r.Origin.String(), Resource: asJSON(t, r.Type(), r.Body())}
		for _, ref := range r.References() {
			s.References = append(s.References, ref.Type[strings.LastIndex(ref.Type, ".")+1:]+" "+ref.Name)
		}
		all = append(all, s)
	}
	for _, set := range c.endpoints(t) {
		r, err := envoy.Assignment(set)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, shown{Resource: asJSON(t, r.Type(), r.Body())})
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func (c goldenCase) versions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	if p, err := c.proxy(t); err == nil {
		for _, r := range mustResources(t, p) {
			all[r.Type()+" "+r.Name()] = r.Version()
		}
	}
	return all
}

func (c goldenCase) write(t *testing.T, outputs map[string]string) {
	t.Helper()
	var files []txtar.File
	for _, f := range c.archive.Files {
		if !isOutput(f.Name) {
			files = append(files, f)
		}
	}
	for _, name := range []string{"error", "ir.json", "resources.json"} {
		if text, ok := outputs[name]; ok {
			files = append(files, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	c.archive.Files = files
	writeFile(t, c.file, txtar.Format(c.archive))
}

func mustResources(t *testing.T, p ir.Proxy) []envoy.Resource {
	t.Helper()
	all, err := envoy.Resources(p)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// asJSON returns a resource as JSON, including the types of the messages in it.
func asJSON(t *testing.T, typeURL string, body []byte) json.RawMessage {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(&anypb.Any{TypeUrl: typeURL, Value: body})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
