package xds

import (
	"testing"
	"time"
)

// Under more changes than it can afford a pace holds rounds to their share of a core, whatever a
// response costs; a round after a quiet moment begins at once; no change waits longer than the bound.
func TestPace(t *testing.T) {
	const change = 10 * time.Millisecond // 100 changes a second
	for _, test := range []struct {
		name    string
		streams int
		cost    time.Duration // of a response and its ACK
		known   bool
		share   float64 // at most, in cores
		waits   bool
	}{
		{"few streams", fewStreams - 1, 100 * time.Microsecond, true, 0.2, false},
		{"cheap", 1000, 5 * time.Microsecond, true, 0.55, false},
		{"shared connections", 1000, 20 * time.Microsecond, true, pushShare, true},
		{"a connection each", 1000, 75 * time.Microsecond, true, pushShare, true},
		{"more than can be afforded", 10_000, 75 * time.Microsecond, true, 7.5, true},
		{"not known", 1000, 20 * time.Microsecond, false, pushShare, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p pace
			now, used := time.Unix(0, 0), time.Duration(0)
			cpu := func() (time.Duration, bool) { return used, test.known }
			start, waited, longest := now, false, time.Duration(0)
			for now.Sub(start) < 10*time.Second {
				due := now
				for {
					wait := p.wait(now, cpu)
					if wait == 0 {
						break
					}
					now, waited = now.Add(wait), true
				}
				longest = max(longest, now.Sub(due))
				p.begin(now, test.streams, cpu)
				used += time.Duration(test.streams) * test.cost
				now = now.Add(time.Millisecond)
				p.end = now
				now = now.Add(change - now.Sub(start)%change) // the next change
			}
			if share := used.Seconds() / now.Sub(start).Seconds(); share > test.share+0.01 {
				t.Errorf("rounds take %.2f cores, want at most %.2f", share, test.share)
			}
			if waited != test.waits || longest > maxWindow {
				t.Errorf("rounds waited: %v, up to %v, want %v, up to %v", waited, longest, test.waits, maxWindow)
			}
			now = now.Add(maxWindow)
			if wait := p.wait(now, cpu); wait != 0 {
				t.Errorf("after a quiet moment a round waits %v", wait)
			}
		})
	}
}

func TestCPUTimeGrows(t *testing.T) {
	before, known := cpuTime()
	if !known {
		t.Skip("this system does not tell")
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if after, _ := cpuTime(); after > before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("10 s of work used no processor time")
		}
	}
}
