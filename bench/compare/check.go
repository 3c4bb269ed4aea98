package compare

import (
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
)

// Check is one target: a figure of doyen, against the better of the peer's caches or against a
// fixed limit.
type Check struct {
	Name     string
	Group    string
	Protocol fleet.Protocol
	Unit     Unit
	figure   func(Result) float64

	// Ratio is how many times less than the better cache it must be; 0 when Limit counts.
	Ratio float64
	// Aim is a more ambitious ratio than the target; 0 if there is none.
	Aim float64
	// Limit is what it must stay under.
	Limit float64
	// AtLeast makes Limit a lower limit.
	AtLeast bool
	// Alone leaves the peer out, where its figure would mislead: it makes far fewer changes.
	Alone bool
}

// Outcome is a check with the figures of a run.
type Outcome struct {
	Check
	Doyen, Peer, Floor float64 // 0 when there is none
	DoyenServer        string
	PeerServer         string
	Times              float64 // Peer / Doyen
	Met                bool
}

// Unit is what a figure counts.
type Unit string

// Units of figures.
const (
	Milliseconds Unit = "ms"
	Kibibytes    Unit = "KiB"
	Mebibytes    Unit = "MiB"
	Cores        Unit = "cores"
	PerSecond    Unit = "/s"
)

// ChangeCPU is the CPU time of one change in milliseconds.
func ChangeCPU(r Result) float64 { return milliseconds(r.Change.CPU) }

// ChangeP99 is the time until 99 of 100 clients have one change, in milliseconds.
func ChangeP99(r Result) float64 { return milliseconds(r.Change.P99) }

// SyncCPU is the CPU time of a full synchronization in milliseconds.
func SyncCPU(r Result) float64 { return milliseconds(r.Sync.CPU) }

// ClientHeap is the live heap per client in KiB.
func ClientHeap(r Result) float64 { return float64(r.Memory.HeapPerClient) / (1 << 10) }

func blocked(r Result) float64   { return milliseconds(r.Change.Blocked) }
func heap(r Result) float64      { return float64(r.Memory.Heap) / (1 << 20) }
func rss(r Result) float64       { return float64(r.Memory.RSS) / (1 << 20) }
func rateP99(r Result) float64   { return milliseconds(r.Rate.P99) }
func rateMade(r Result) float64  { return r.Rate.PerSecond }
func rateCores(r Result) float64 { return r.Rate.Cores }
func idleCores(r Result) float64 { return r.IdleCores }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// Checks returns all targets.
func Checks() []Check {
	return []Check{
		{Name: "one change, CPU until all have acknowledged it", Group: Shared, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeCPU, Ratio: 15, Aim: 25},
		{Name: "one change, p99 until a client has it", Group: Shared, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeP99, Ratio: 20},
		{Name: "one change, writer blocked", Group: Shared, Protocol: fleet.Delta, Unit: Milliseconds, figure: blocked, Limit: 2},
		{Name: "full sync, CPU", Group: Shared, Protocol: fleet.Delta, Unit: Milliseconds, figure: SyncCPU, Ratio: 4},
		{Name: "heap per client", Group: Shared, Protocol: fleet.Delta, Unit: Kibibytes, figure: ClientHeap, Ratio: 10},
		{Name: "100 changes/s, made and delivered", Group: Shared, Protocol: fleet.Delta, Unit: PerSecond, figure: rateMade, Limit: 99, AtLeast: true},
		{Name: "100 changes/s, p99 until a client has one", Group: Shared, Protocol: fleet.Delta, Unit: Milliseconds, figure: rateP99, Limit: 150, Alone: true},
		{Name: "100 changes/s, CPU", Group: Shared, Protocol: fleet.Delta, Unit: Cores, figure: rateCores, Limit: 1, Alone: true},
		{Name: "one change, CPU until all have acknowledged it", Group: Shared, Protocol: fleet.SotW, Unit: Milliseconds, figure: ChangeCPU, Ratio: 10},
		{Name: "full sync, CPU", Group: Shared, Protocol: fleet.SotW, Unit: Milliseconds, figure: SyncCPU, Ratio: 2.5},
		{Name: "heap per client", Group: Shared, Protocol: fleet.SotW, Unit: Kibibytes, figure: ClientHeap, Ratio: 8},
		{Name: "one change, CPU until all have acknowledged it", Group: Subset, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeCPU, Ratio: 1, Aim: 2},
		{Name: "heap per client", Group: Subset, Protocol: fleet.Delta, Unit: Kibibytes, figure: ClientHeap, Ratio: 1, Aim: 2},
		{Name: "one publication to all, CPU", Group: Views, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeCPU, Ratio: 3},
		{Name: "heap with all clients", Group: Views, Protocol: fleet.Delta, Unit: Mebibytes, figure: heap, Ratio: 2},
		{Name: "resident memory with all clients", Group: Views, Protocol: fleet.Delta, Unit: Mebibytes, figure: rss, Ratio: 2},
		{Name: "one publication to all, CPU", Group: Whole, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeCPU, Ratio: 3},
		{Name: "100 changes/s, made and delivered", Group: Alone, Protocol: fleet.Delta, Unit: PerSecond, figure: rateMade, Limit: 99, AtLeast: true, Alone: true},
		{Name: "100 changes/s, CPU", Group: Alone, Protocol: fleet.Delta, Unit: Cores, figure: rateCores, Limit: 1, Alone: true},
		{Name: "one change, p99 until a client has it", Group: Many, Protocol: fleet.Delta, Unit: Milliseconds, figure: ChangeP99, Limit: 200},
		{Name: "resident memory", Group: Many, Protocol: fleet.Delta, Unit: Mebibytes, figure: rss, Limit: 500},
		{Name: "CPU when nothing changes", Group: Many, Protocol: fleet.Delta, Unit: Cores, figure: idleCores, Limit: 0.01, Alone: true},
	}
}

// Judge compares the figures of a run with every target that it has figures for.
func Judge(results []Result) []Outcome {
	var outcomes []Outcome
	for _, check := range Checks() {
		if o, ok := check.judge(results); ok {
			outcomes = append(outcomes, o)
		}
	}
	return outcomes
}

func (c Check) judge(results []Result) (Outcome, bool) {
	o := Outcome{Check: c}
	best := func(of func(server string) bool) (float64, string) {
		var value float64
		server := ""
		for _, r := range results {
			if r.Group != c.Group || r.Protocol != c.Protocol || !r.Verified || !of(r.Server) {
				continue
			}
			if figure := c.figure(r); server == "" || (figure < value) != c.AtLeast {
				value, server = figure, r.Server
			}
		}
		return value, server
	}
	o.Doyen, o.DoyenServer = best(c.subject)
	if o.DoyenServer == "" || o.Doyen == 0 { // it was not measured
		return o, false
	}
	if peer, server := best(isPeer); server != "" && !c.Alone {
		o.Peer, o.PeerServer, o.Times = peer, server, peer/o.Doyen
	}
	if floor, server := best(func(s string) bool { return s == serve.Floor }); server != "" {
		o.Floor = floor
	}
	switch {
	case c.Ratio > 0:
		o.Met = o.PeerServer != "" && o.Times >= c.Ratio
	case c.AtLeast:
		o.Met = o.Doyen >= c.Limit
	default:
		o.Met = o.Doyen < c.Limit
	}
	return o, true
}

// subject says which of doyen's caches a target is about: the linear one where each client asks for
// names of its own, else the snapshot cache, which doyen itself serves from.
func (c Check) subject(server string) bool {
	if c.Group == Subset {
		return server == serve.DoyenLinear
	}
	return server == serve.DoyenSnapshot
}
