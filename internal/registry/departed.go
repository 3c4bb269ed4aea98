package registry

import "time"

// departed remembers which incarnation left at which address, so that a delayed check-in does not bring the instance
// back. It reads no clock and takes no lock.
type departed struct {
	remembered[Socket, Incarnation]
}

func newDeparted() departed { return departed{newRemembered[Socket, Incarnation]()} }

// add remembers that i, and every incarnation before it, has left socket.
func (d *departed) add(socket Socket, i Incarnation, now time.Time) {
	if !i.IsZero() && !d.includes(socket, i) {
		d.put(socket, i, now)
		d.forget(now, func(Socket) bool { return false })
	}
}

// includes reports whether i has left socket.
func (d *departed) includes(socket Socket, i Incarnation) bool {
	last, found := d.last[socket]
	return found && i.Compare(last) <= 0
}
