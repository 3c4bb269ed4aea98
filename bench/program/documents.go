package program

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeDocuments makes a folder of documents: a mesh, and services that each call the next two.
func writeDocuments(folder string, count int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	mesh := "kind: Mesh\nname: bench\nowner: network@bench.example\n"
	if err := os.WriteFile(filepath.Join(folder, "mesh.yaml"), []byte(mesh), 0o644); err != nil {
		return err
	}
	services := count - 1
	for i := range services {
		name := serviceName(i)
		document := fmt.Sprintf("kind: Service\nname: %s\nowner: team-%d@bench.example\nports: 8080\nhealth: /healthz\ncalls:\n  - %s\n  - %s\n",
			name, i%10, serviceName((i+1)%services), serviceName((i+2)%services))
		if err := os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(document), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func serviceName(i int) string { return fmt.Sprintf("service-%03d", i) }
