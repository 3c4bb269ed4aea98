// Package program measures the doyen program as users see it: how soon it is ready, how much memory and CPU time it
// needs, and how long it takes until a check-in of an instance reaches real Envoys.
package program

import (
	"fmt"
	"time"
)

// Figures are what was measured; what was not is zero.
type Figures struct {
	Ready    time.Duration // from the start of a server with nothing connected until it is ready
	RSS      int64         // bytes of that server
	Binary   int64         // bytes of the program
	Validate time.Duration // of a folder with Documents documents
	CheckIns []CheckIns
}

// CheckIns says how long it takes until proxies have an instance that checks in.
type CheckIns struct {
	Proxies string // which, how many
	Count   int    // check-ins
	P50     time.Duration
	P99     time.Duration
}

// Documents is the number of documents that are validated.
const Documents = 200

// Targets.
const (
	readyTarget    = 300 * time.Millisecond
	rssTarget      = 40 << 20
	binaryTarget   = 60_000_000
	validateTarget = 100 * time.Millisecond
	checkInTarget  = 50 * time.Millisecond // p99
)

// Row is a figure and its target.
type Row struct {
	Name, Value, Target string
	Met                 bool
}

// Rows lists what was measured.
func (f Figures) Rows() []Row {
	var rows []Row
	add := func(measured bool, name, value, target string, met bool) {
		if measured {
			rows = append(rows, Row{name, value, target, met})
		}
	}
	add(f.Ready > 0, "server with nothing connected: ready after", milliseconds(f.Ready), "under "+milliseconds(readyTarget), f.Ready < readyTarget)
	add(f.RSS > 0, "the same: resident memory", fmt.Sprintf("%.1f MiB", float64(f.RSS)/(1<<20)), "under 40 MiB", f.RSS < rssTarget)
	add(f.Binary > 0, "size of the program", fmt.Sprintf("%.1f MB", float64(f.Binary)/1e6), "under 60 MB", f.Binary < binaryTarget)
	add(f.Validate > 0, fmt.Sprintf("doyen validate of %d documents", Documents), milliseconds(f.Validate), "under "+milliseconds(validateTarget), f.Validate < validateTarget)
	for _, c := range f.CheckIns {
		add(true, fmt.Sprintf("check-in until %s (%d check-ins)", c.Proxies, c.Count),
			fmt.Sprintf("p50 %s, p99 %s", milliseconds(c.P50), milliseconds(c.P99)), "p99 under "+milliseconds(checkInTarget), c.P99 < checkInTarget)
	}
	return rows
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3g ms", d.Seconds()*1000) }
