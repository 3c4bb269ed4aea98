package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// Options say what is measured.
type Options struct {
	Doyen   string   // path of the doyen program
	Rows    []string // names of rows; empty for all
	Profile string   // folder for CPU profiles of the server, one a row; "" for none
}

// Figure is one figure of a row.
type Figure struct {
	Row    string
	What   string
	Value  float64
	Unit   string
	Target float64 // at most; 0 for none
	Before float64 // what another doyen program needed; 0 when it was not measured
}

// row is one line of the table, which may have several figures.
type row struct {
	name    string
	figures []Figure // without values
	measure func(ctx context.Context, c *scene) ([]float64, error)
}

// stage is a scene and the rows that are measured in it, in this order.
type stage struct {
	name    string
	prepare func(ctx context.Context, o Options) (*scene, error)
	rows    []row
}

const (
	ms    = "ms"
	count = "bytes"
	kib   = "KiB"
	mib   = "MiB"
	core  = "% of a core"
)

// stages lists everything that is measured.
var stages = []stage{
	{"1,000 services with ten calls each, 10,000 instances, 1,000 sidecars", thousand, []row{
		{"connect", []Figure{
			{What: "connecting 1,000 sidecars until they are in sync, their views compiled: CPU for each", Unit: ms},
		}, connect},
		{"connect-more", []Figure{
			{What: "connecting 1,000 more, whose views exist: CPU for each", Unit: ms, Target: 1},
			{What: "the same: memory for each, its connection included", Unit: kib, Target: 70},
		}, connectMore},
		{"edit", []Figure{
			{What: "one service's timeout edited: CPU", Unit: ms, Target: 15},
			{What: "the same: accepted revision until the last ACK", Unit: ms, Target: 30},
		}, edit},
		{"edits", []Figure{
			{What: "50 documents edited, one each 100 ms: written until the last ACK of each, p50", Unit: ms, Target: 60},
			{What: "the same: the longest", Unit: ms},
		}, edits},
		{"default", []Figure{
			{What: "a default of the mesh edited, all 1,000 affected: CPU", Unit: ms, Target: 1200},
			{What: "the same: accepted revision until the last ACK", Unit: ms},
		}, editDefault},
		{"edge-route", []Figure{
			{What: "one edge route added to 1,000 over 100 hosts: bytes to each edge", Unit: count, Target: 10_000},
			{What: "the same: CPU", Unit: ms},
		}, edgeRoute},
		{"check-in", []Figure{
			{What: "one check-in that changes an instance: CPU", Unit: ms, Target: 1},
		}, checkIn},
		{"weights", []Figure{
			{What: "200 changed weights a second: CPU", Unit: core, Target: 20},
		}, weights},
		{"check-ins-while-compiling", []Figure{
			{What: "10 check-ins a second while documents are compiled: the longest until the last ACK", Unit: ms, Target: 60},
		}, checkInsWhileCompiling},
		{"status", []Figure{{What: "GET /v1/status: CPU", Unit: ms, Target: 10}}, page("/v1/status")},
		{"metrics", []Figure{{What: "GET /metrics: CPU", Unit: ms, Target: 5}}, page("/metrics")},
		{"restart", []Figure{
			{What: "restart until 1,000 proxies are in sync: CPU for each", Unit: ms, Target: 0.5},
		}, restart},
	}},
	{"one service of 10,000 instances", bigService, []row{
		{"big-service", []Figure{{What: "one instance of a service of 10,000 changes: CPU without sends", Unit: ms, Target: 2}}, checkIn},
	}},
	{"10,000 files", files(10_000), []row{
		{"watch", []Figure{{What: "10,000 files watched, nothing changes: CPU", Unit: core, Target: 0.5}}, idle},
	}},
	{"1,000 services, 10,000 sidecars", thousand, []row{
		{"connect-10k", []Figure{
			{What: "10,000 sidecars connect at once: the first one is in sync after", Unit: ms, Target: 50},
			{What: "the same: all are in sync after", Unit: ms, Target: 10_000},
			{What: "the same: RSS", Unit: mib, Target: 600},
		}, connectMany},
	}},
	{"100 services", mesh(100), []row{
		{"edit-100", []Figure{{What: "one service's timeout edited, of 100: CPU", Unit: ms, Target: 15}}, edit},
	}},
	{"5,000 services", mesh(5000), []row{
		{"validate-5000", []Figure{{What: "doyen validate of 5,000 services", Unit: ms, Target: 500}}, validate},
		{"idle-5000", []Figure{{What: "an idle server with 5,000 services: CPU", Unit: core, Target: 0.5}}, idle},
		{"edit-5000", []Figure{{What: "one service's timeout edited, of 5,000: CPU", Unit: ms, Target: 15}}, edit},
	}},
}

// Rows returns the names of all rows.
func Rows() []string {
	var all []string
	for _, s := range stages {
		for _, r := range s.rows {
			all = append(all, r.name)
		}
	}
	return all
}

func (f Figure) same(other Figure) bool { return f.Row == other.Row && f.What == other.What }

// Beside returns the figures, each with that of another program in Before.
func Beside(figures, before []Figure) []Figure {
	for i := range figures {
		for _, b := range before {
			if b.same(figures[i]) {
				figures[i].Before = b.Value
			}
		}
	}
	return figures
}

// Merge returns the earlier figures, replaced by the later ones where there are any. A later figure without a Before
// keeps that of the earlier one.
func Merge(earlier, later []Figure) []Figure {
	all := slices.Clone(earlier)
	for _, f := range later {
		i := slices.IndexFunc(all, f.same)
		if i < 0 {
			all = append(all, f)
			continue
		}
		f.Before = cmp.Or(f.Before, all[i].Before)
		all[i] = f
	}
	return all
}

// rowPatience is the time limit of one row.
const rowPatience = 3 * time.Minute

// Measure measures the rows. If one fails, the others are measured all the same.
func Measure(ctx context.Context, o Options) ([]Figure, error) {
	var all []Figure
	var failed []error
	for _, s := range stages {
		figures, err := o.stage(ctx, s)
		all = append(all, figures...)
		failed = append(failed, err)
	}
	return all, errors.Join(failed...)
}

func (o Options) stage(ctx context.Context, s stage) (all []Figure, err error) {
	wanted := slices.DeleteFunc(slices.Clone(s.rows), func(r row) bool {
		return len(o.Rows) > 0 && !slices.Contains(o.Rows, r.name)
	})
	if len(wanted) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	c, err := s.prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, r := range wanted {
		values, failed := c.take(ctx, r)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", r.name, failed))
			continue
		}
		for i, f := range r.figures {
			f.Row, f.Value = r.name, values[i]
			fmt.Fprintf(os.Stderr, "%-26s %s: %.4g %s\n", f.Row, f.What, f.Value, f.Unit)
			all = append(all, f)
		}
	}
	return all, err
}

// take measures one row, with a profile if one is requested.
func (c *scene) take(ctx context.Context, r row) ([]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, rowPatience)
	defer cancel()
	profiled := c.profile(ctx, r.name)
	values, err := r.measure(ctx, c)
	return values, errors.Join(err, profiled())
}
