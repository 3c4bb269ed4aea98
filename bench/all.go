package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/bench/mesh"
	"github.com/doyen-mesh/doyen/bench/program"
	"github.com/doyen-mesh/doyen/bench/report"
)

// Names of the files that a run writes.
const (
	jsonName = "performance.json"
	pageName = "performance.md"
)

// all runs everything that was asked for, then prints and writes the report. A scenario that fails
// does not keep the others from running; its error is returned at the end.
func (o options) all(ctx context.Context) error {
	run := report.Run{
		Machine: report.ThisMachine(), Commit: report.Commit(), Command: o.command,
		Date: time.Now().UTC().Format(time.DateOnly), LoadBefore: report.Load(),
	}
	var failed []error
	for _, group := range o.groups {
		if group == programGroup {
			figures, err := program.Measure(ctx, program.Options{Doyen: o.program, Envoy: o.envoy})
			run.Program = figures
			failed = append(failed, err)
		}
		if group == meshGroup {
			figures, err := o.mesh(ctx)
			run.Mesh = report.Mesh{Commit: run.Commit, Date: run.Date, Command: o.command, Load: report.Load(), Figures: figures}
			failed = append(failed, err)
		}
		for _, scenario := range o.size.Plan(group) {
			if len(o.servers) > 0 && !slices.Contains(o.servers, scenario.Server) || ctx.Err() != nil {
				continue
			}
			result, err := scenario.Run(ctx, o.compare)
			fmt.Fprint(os.Stderr, report.Line(result))
			run.Results = append(run.Results, result)
			failed = append(failed, err)
		}
	}
	run.LoadAfter = report.Load()
	fmt.Println(report.Summary(run))
	return errors.Join(errors.Join(failed...), write(o.out, o.merge(run)))
}

// merge puts rows of a mesh that were measured alone in the place of those in an earlier run's report.
func (o options) merge(run report.Run) report.Run {
	if !slices.Equal(o.groups, []string{meshGroup}) {
		return run
	}
	earlier, err := report.Read(filepath.Join(o.out, jsonName))
	if err != nil {
		return run // there is none
	}
	run.Mesh.Figures = mesh.Merge(earlier.Mesh.Figures, run.Mesh.Figures)
	earlier.Mesh = run.Mesh
	return earlier
}

// mesh measures a mesh, and the same with an earlier program if there is one.
func (o options) mesh(ctx context.Context) ([]mesh.Figure, error) {
	m := mesh.Options{Doyen: o.program, Rows: o.rows, Profile: o.compare.ProfileDir}
	figures, err := mesh.Measure(ctx, m)
	if o.before == "" {
		return figures, err
	}
	m.Doyen, m.Profile = o.before, ""
	before, failed := mesh.Measure(ctx, m)
	return mesh.Beside(figures, before), errors.Join(err, failed)
}

func write(folder string, run report.Run) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := run.Write(filepath.Join(folder, jsonName)); err != nil {
		return err
	}
	return page(folder, run)
}

// page writes the page and its plots.
func page(folder string, run report.Run) error {
	for name, content := range report.Plots(run) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	text, err := report.Page(run)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, pageName), []byte(text), 0o644)
}

// rewrite writes the page of an earlier run again.
func rewrite(folder string) error {
	run, err := report.Read(filepath.Join(folder, jsonName))
	if err != nil {
		return err
	}
	return page(folder, run)
}
