package report

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/fleet"
)

//go:embed performance.md.tmpl
var pageTemplate string

// Page is the page of the documentation: the method in words and the figures of a run.
func Page(run Run) (string, error) {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return "", err
	}
	outcomes := compare.Judge(run.Results)
	var b strings.Builder
	err = t.Execute(&b, map[string]any{
		"Run":     run,
		"Targets": Targets(outcomes),
		"Floors":  Floors(outcomes),
		"Figures": Figures(run.Results),
		"Errors":  Errors(run.Results),
		"Program": Program(run.Program),
		"Mesh":    MeshTable(run.Mesh.Figures),
	})
	return b.String(), err
}

// Plots are the drawings that the page shows, by file name.
func Plots(run Run) map[string]string {
	return map[string]string{
		"performance-delta.svg": Plot(run.Results, fleet.Delta),
		"performance-sotw.svg":  Plot(run.Results, fleet.SotW),
	}
}

// Summary is what a run prints at its end.
func Summary(run Run) string {
	parts := []string{fmt.Sprintf("%s, %d cores, %s, commit %s\n", run.Machine.Processor, run.Machine.Cores, run.Machine.Go, run.Commit)}
	if len(run.Results) > 0 {
		outcomes := compare.Judge(run.Results)
		parts = append(parts, Figures(run.Results), Errors(run.Results), Targets(outcomes), Floors(outcomes))
	}
	if len(run.Program.Rows()) > 0 {
		parts = append(parts, Program(run.Program))
	}
	return strings.Join(append(parts, MeshTable(run.Mesh.Figures)), "\n")
}

// Line is what a run prints after each scenario.
func Line(r compare.Result) string {
	if r.Error != "" {
		return r.Error + "\n"
	}
	return fmt.Sprintf("%-14s %-26s sync %s, heap %.1f KiB/client, change %s, p99 %s\n", group(r.Group, r.Protocol), r.Server,
		duration(r.Sync.CPU), float64(r.Memory.HeapPerClient)/1024, duration(r.Change.CPU), duration(r.Change.P99))
}
