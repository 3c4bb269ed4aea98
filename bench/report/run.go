package report

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/mesh"
	"github.com/doyen-mesh/doyen/bench/program"
)

// Run is everything that was measured in one run, and where.
type Run struct {
	Machine Machine
	Command string
	Commit  string
	Date    string // day, in UTC
	// LoadBefore and LoadAfter are the machine's load averages over a minute: well above what one
	// server and its clients need, they say that other work was in the way.
	LoadBefore, LoadAfter float64
	Results               []compare.Result
	Program               program.Figures
	Mesh                  Mesh
}

// Mesh is the measurements of a mesh, which is often measured alone.
type Mesh struct {
	Commit  string
	Date    string // day, in UTC
	Command string
	Load    float64 // the machine's load average afterwards
	Figures []mesh.Figure
}

// Read reads what [Run.Write] wrote.
func Read(path string) (Run, error) {
	var r Run
	encoded, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(encoded, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Write writes the run as JSON.
func (r Run) Write(path string) error {
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(encoded, '\n'), 0o644)
}
