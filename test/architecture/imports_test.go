// Package architecture tests rules between packages.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/doyen-mesh/doyen/"

// row says what one package may import of this module. Paths are relative to the module.
type row struct {
	pkg     string   // a package, or everything below a folder when it ends in /...
	imports []string // in the same notation
	why     string
}

// allowed is the table of imports between packages of this module. The first row that matches a package counts.
// Imports follow the data flow: documents and instances -> ir -> resources -> streams.
var allowed = []row{
	{"cmd/doyen", []string{"internal/cli"}, "main only hands over to the command line"},

	{"xds", nil, "the engine is a product of its own and knows nothing of meshes"},
	{"xds/...", []string{"xds", "xds/..."}, "companions of the engine need only the engine"},
	{"examples/...", []string{"xds", "xds/..."}, "examples show what an importer can do, so they use public packages only"},

	{"internal/printable", nil, "text from outside is made printable everywhere"},
	{"internal/terminal", []string{"internal/printable"}, "what is painted on a terminal is printable"},
	{"internal/mesh", nil, "the words everyone speaks depend on nobody"},
	{"internal/atomicfile", nil, "replacing a file is the same for every kind of file"},
	{"internal/persistent", nil, "a map knows nothing of what is in it"},
	{"internal/suggest", nil, "the nearest right name, for whoever meets a wrong one"},
	{"internal/config/yamldoc", []string{"internal/mesh", "internal/printable", "internal/suggest", "internal/terminal"}, "the generic reader knows no kind of document"},
	{"internal/config", []string{"internal/mesh", "internal/persistent", "internal/suggest", "internal/config/yamldoc"}, "documents are read without knowing what becomes of them"},
	{"internal/config/...", []string{"internal/mesh", "internal/atomicfile", "internal/persistent", "internal/config", "internal/config/..."}, "where documents come from"},
	{"internal/registry", []string{"internal/mesh", "internal/printable"}, "instances exist without documents"},
	{"internal/httpapi", nil, "how the HTTP API speaks is independent of what it says"},
	{"internal/registry/client", []string{"internal/mesh", "internal/httpapi", "internal/registry", "internal/registry/api"}, "client and server share the wire form"},
	{"internal/registry/share/...", []string{"internal/registry", "internal/registry/share", "internal/mesh"}, "engines store entries and know nothing of what they say"},
	{"internal/registry/share", []string{"internal/mesh", "internal/registry"}, "sharing connects the registry with an engine"},
	{"internal/registry/sources", []string{"internal/mesh", "internal/atomicfile", "internal/config/yamldoc", "internal/registry"}, "a file of instances is read as strictly as documents"},
	{"internal/registry/...", []string{"internal/mesh", "internal/httpapi", "internal/suggest", "internal/registry", "internal/datafolder"}, "wire forms and stores of the registry"},
	{"internal/dnsserver", []string{"internal/mesh", "internal/registry"}, "DNS answers are made of instances and the names of ports"},
	{"internal/datafolder", []string{"internal/printable"}, "a folder has one process, whatever it keeps there"},
	{"internal/ir", []string{"internal/mesh"}, "the intermediate model has no protobuf and no I/O"},
	{"internal/compile", []string{"internal/mesh", "internal/config", "internal/ir"}, "documents and a view become ir"},
	{"internal/envoy", []string{"internal/mesh", "internal/ir", "xds", "xds/envoyrefs"}, "ir becomes resources"},
	{"internal/envoy/...", []string{"internal/mesh", "internal/ir", "internal/envoy"}, "bootstraps and static files name what resources name"},
	{"internal/report", []string{"xds"}, "what proxies report, in the engine's words"},
	{"internal/control", []string{
		"internal/mesh", "internal/config", "internal/registry", "internal/report",
		"internal/ir", "internal/compile", "internal/envoy", "xds",
	}, "the loop that joins the inputs and publishes"},
	{"internal/admin/api", nil, "the API's types are shared by server and command line"},
	{"internal/admin/client", []string{"internal/httpapi", "internal/admin/api"}, "the API as the agent and the command line call it"},
	{"internal/admin", []string{
		"internal/mesh", "internal/suggest", "internal/httpapi", "internal/admin/api", "internal/config", "internal/config/source",
		"internal/registry", "internal/registry/...", "internal/ir", "internal/control", "xds",
	}, "read models over everything that runs"},
	{"internal/process", nil, "a program that runs knows nothing of meshes"},
	{"internal/earlysignals", nil, "it is initialized before what takes time"},
	{"internal/handover", []string{"internal/earlysignals", "internal/printable", "internal/process"}, "a program that replaces itself knows nothing of what it does"},
	{"internal/relay", []string{"xds", "xds/client", "xds/envoyrefs", "internal/atomicfile"}, "it passes on configuration and knows nothing of meshes"},
	{"internal/agent/capture", []string{"internal/mesh", "internal/dnsserver"}, "what is redirected does not depend on why, and DNS is served as elsewhere"},
	{"internal/agent/backoff", nil, "pauses between attempts, whatever is attempted"},
	{"internal/agent/health", []string{"internal/mesh", "internal/printable", "internal/process", "internal/admin/api", "internal/registry", "internal/agent/backoff"}, "health checks know neither Envoy nor the server"},
	{"internal/agent/lease", []string{"internal/httpapi", "internal/registry", "internal/registry/api", "internal/agent/backoff"}, "the lease knows the server only by its API"},
	{"internal/agent/servers", nil, "any server will do, whatever it is asked"},
	{"internal/agent/state", []string{"internal/admin/api", "internal/atomicfile", "internal/datafolder"}, "a file, whoever reads it"},
	{"internal/agent/secrets", []string{"internal/relay", "xds"}, "files on a host become content of secrets, whoever names them"},
	{"internal/agent/status", []string{"internal/agent/secrets", "internal/relay"}, "what an agent says of itself"},
	{"internal/agent/supervisor", []string{"internal/atomicfile", "internal/printable", "internal/process", "internal/envoy/bootstrap", "internal/agent/backoff", "internal/agent/health"}, "programs run without a server"},
	{"internal/agent", []string{
		"internal/agent/...", "internal/handover", "internal/mesh", "internal/relay", "internal/process", "internal/atomicfile", "internal/httpapi", "internal/admin/api", "internal/admin/client", "internal/registry", "internal/registry/...", "internal/envoy", "internal/envoy/bootstrap", "xds",
	}, "the agent knows the server only by its API, and Envoy by the names of its resources"},
	{"internal/traffic", nil, "requests and figures know nothing of meshes"},
	{"internal/demo", []string{"internal/mesh", "internal/traffic", "internal/printable", "internal/terminal", "internal/process", "internal/atomicfile", "internal/httpapi", "internal/admin/api", "internal/admin/client", "internal/registry", "internal/registry/..."}, "the demo runs the product's own commands"},
	{"internal/server", []string{"internal/...", "xds", "xds/..."}, "the one place that builds everything"},
	{"internal/cli", []string{"internal/...", "xds", "xds/..."}, "commands over all of it"},
	{"test/...", []string{"internal/...", "xds", "xds/...", "test/..."}, "tests may look anywhere"},
}

// TestImports fails on an import that the table does not allow, and on a row that matches no package.
func TestImports(t *testing.T) {
	used := make([]bool, len(allowed))
	for pkg, imports := range packages(t) {
		i := slices.IndexFunc(allowed, func(r row) bool { return matches(r.pkg, pkg) })
		if i < 0 {
			t.Errorf("%s is in no row of the table: add one, with the reason", pkg)
			continue
		}
		used[i] = true
		row := allowed[i]
		for _, imported := range imports {
			if !slices.ContainsFunc(row.imports, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s; it may import %v, because %s", pkg, imported, row.imports, row.why)
			}
		}
	}
	for i, row := range allowed {
		if !used[i] {
			t.Errorf("the row for %s fits no package: remove it", row.pkg)
		}
	}
}

// packages returns the packages of this module with their imports of this module, without tests.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	found := map[string][]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		var ours []string
		for _, imported := range p.Imports {
			if path, ok := strings.CutPrefix(imported, module); ok {
				ours = append(ours, path)
			}
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = ours
	}
}

// matches reports whether path is the pattern, or below it if the pattern ends in /...
func matches(pattern, path string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(path, folder+"/")
	}
	return pattern == path
}
