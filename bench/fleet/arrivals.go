package fleet

import (
	"slices"
	"sync"
)

// arrival is one change of one assignment at one client. It covers the changes of the same
// assignment after was, which the client will never see by themselves.
type arrival struct {
	was, is uint32
	at      int64 // nanoseconds since the epoch
}

// arrivals are those of one connection that were not taken yet.
type arrivals struct {
	mu   sync.Mutex
	list []arrival
}

func (a *arrivals) add(at int64, fresh []arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range fresh {
		one.at = at
		a.list = append(a.list, one)
	}
}

func (a *arrivals) take() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// Latencies returns, sorted and in nanoseconds, for each pair of client and change that arrived
// since the last call, the time from the change's start until the client had it or a later one of
// the same assignment. Starts are in nanoseconds since the epoch, the first being the change from+1.
func (f *Fleet) Latencies(from uint32, starts []int64) []int64 {
	var all []int64
	for _, conn := range f.list {
		for _, a := range conn.arrivals.take() {
			for change := range f.coveredBy(a) {
				if i := int(change) - int(from) - 1; i >= 0 && i < len(starts) {
					all = append(all, a.at-starts[i])
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// coveredBy yields the changes of an assignment after the one that was held, up to the one that came.
func (f *Fleet) coveredBy(a arrival) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for change := a.is; change > a.was; change = f.shape.Before(change) {
			if !yield(change) {
				return
			}
		}
	}
}

// Forget drops the arrivals so far, and starts counting covered changes anew.
func (f *Fleet) Forget() {
	for _, conn := range f.list {
		conn.arrivals.take()
	}
	f.covered.Store(0)
}

// Quantile returns the value below which the share q of sorted values lies, 0 when there are none.
func Quantile(sorted []int64, q float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
