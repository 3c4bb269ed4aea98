package registry

import (
	"net/netip"
	"time"
)

// Bounds of what is remembered of instances that said goodbye. A check-in that was on its way
// meanwhile arrives within seconds; an hour leaves room for proxies in between that repeat calls.
const (
	rememberDeparted = time.Hour
	maxDeparted      = 1 << 16
)

// departed remembers which incarnation said goodbye at which address, so that a delayed
// check-in does not bring the instance back. It reads no clock and takes no lock.
type departed struct {
	last  map[netip.AddrPort]Incarnation
	queue []departure // oldest first
}

type departure struct {
	address     netip.AddrPort
	incarnation Incarnation
	forget      time.Time
}

func newDeparted() departed { return departed{last: make(map[netip.AddrPort]Incarnation)} }

// add remembers that i, and every incarnation before it, has left address.
func (d *departed) add(address netip.AddrPort, i Incarnation, now time.Time) {
	if i.IsZero() || d.includes(address, i) {
		return
	}
	d.last[address] = i
	d.queue = append(d.queue, departure{address, i, now.Add(rememberDeparted)})
	d.forget(now)
}

// includes reports whether i has left address.
func (d *departed) includes(address netip.AddrPort, i Incarnation) bool {
	last, found := d.last[address]
	return found && i.Compare(last) <= 0
}

// forget drops what is old, or too much.
func (d *departed) forget(now time.Time) {
	for len(d.queue) > maxDeparted || len(d.queue) > 0 && !now.Before(d.queue[0].forget) {
		oldest := d.queue[0]
		d.queue = d.queue[1:]
		if d.last[oldest.address] == oldest.incarnation {
			delete(d.last, oldest.address)
		}
	}
}
