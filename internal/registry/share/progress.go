package share

// progress is which changes of a shard are known.
type progress struct {
	seen  Version // all changes up to this one
	run   run     // the last changes that were pushed one after the other
	stale bool    // something is missing: read the shard whole
}

// run is a range of versions of one epoch.
type run struct {
	epoch       string
	first, last uint64
}

// pushed notes that a change was merged.
func (p *progress) pushed(v Version) {
	switch r := &p.run; {
	case v.Epoch == r.epoch && v.Number == r.last+1:
		r.last++
	case v.Epoch != r.epoch || v.Number < r.first || v.Number > r.last:
		*r = run{v.Epoch, v.Number, v.Number}
	}
	p.join()
	p.stale = p.stale || v.Epoch != p.seen.Epoch || v.Number > p.seen.Number
}

// read notes that the shard was read whole, as it was at v or later.
func (p *progress) read(v Version) {
	p.seen = v
	p.join()
	p.stale = p.run.epoch == v.Epoch && p.run.last > p.seen.Number
}

// join counts what was pushed as seen where it follows what was seen before.
func (p *progress) join() {
	if r := p.run; r.epoch == p.seen.Epoch && r.first <= p.seen.Number+1 && r.last > p.seen.Number {
		p.seen.Number = r.last
	}
}

// misses reports whether a change up to v is not known, as far as v is of the same epoch.
func (p *progress) misses(v Version) bool {
	return v.Epoch == p.seen.Epoch && v.Number > p.seen.Number
}
