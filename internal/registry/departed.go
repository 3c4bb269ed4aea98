package registry

import (
	"net/netip"
	"time"
)

// departed remembers which incarnation left at which address, so that a delayed check-in does not bring the instance
// back. It reads no clock and takes no lock.
type departed struct {
	remembered[netip.AddrPort, Incarnation]
}

func newDeparted() departed { return departed{newRemembered[netip.AddrPort, Incarnation]()} }

// add remembers that i, and every incarnation before it, has left address.
func (d *departed) add(address netip.AddrPort, i Incarnation, now time.Time) {
	if !i.IsZero() && !d.includes(address, i) {
		d.put(address, i, now)
	}
}

// includes reports whether i has left address.
func (d *departed) includes(address netip.AddrPort, i Incarnation) bool {
	last, found := d.last[address]
	return found && i.Compare(last) <= 0
}
