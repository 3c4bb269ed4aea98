package mesh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The edge has routes to services, spread over hosts.
const (
	edgeHosts = 100
	edgeName  = "public"
)

// shape is a mesh: how many services, how many of the next ones each calls, how many routes the edge has.
type shape struct{ services, calls, routes int }

func serviceName(i int) string { return fmt.Sprintf("service-%05d", i) }

// write writes the documents of a mesh, one file each.
func (s shape) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := map[string]string{"mesh.yaml": meshDocument(0)}
	for i := range s.services {
		files[serviceName(i)+".yaml"] = s.service(i, "2s")
	}
	if s.routes > 0 {
		files["edge.yaml"] = s.edge(s.routes)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// meshDocument has another default for each round, which reaches every call.
func meshDocument(round int) string {
	return fmt.Sprintf("kind: Mesh\nname: bench\nowner: network@bench.example\ndefaults: {retries: {perTryTimeout: %dms}}\n", 1000+round)
}

func (s shape) service(i int, timeout string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: Service\nname: %s\nowner: team-%d@bench.example\nports: 8080\nhealth: /healthz\ntraffic: {timeout: %s}\n",
		serviceName(i), i%100, timeout)
	if s.calls > 0 {
		b.WriteString("calls:\n")
		for k := range s.calls {
			fmt.Fprintf(&b, "  - %s\n", serviceName((i+k+1)%s.services))
		}
	}
	return b.String()
}

// edge is an edge with so many routes.
func (s shape) edge(routes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind: Edge\nname: %s\nowner: network@bench.example\nlisteners: 8000\nroutes:\n", edgeName)
	for i := range routes {
		fmt.Fprintf(&b, "  - {hosts: host-%03d.bench.example, path: /path-%05d, to: %s}\n", i%edgeHosts, i, serviceName(i%s.services))
	}
	return b.String()
}

// callers are the services that call a service.
func (s shape) callers(i int) []int {
	var all []int
	for k := range s.calls {
		all = append(all, (i-k-1+s.services)%s.services)
	}
	return all
}
