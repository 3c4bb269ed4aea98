package xds

import "slices"

// minRepeats is how many names a list of names to be sent again has before repetitions are looked for.
const minRepeats = 1024

// appendRepeats appends to a list of names that are to be sent again. A client may ask for the same name
// any number of times before it answers, so repetitions are removed before the list would grow.
func appendRepeats(list []string, names ...string) []string {
	if len(list) >= minRepeats && len(list)+len(names) > cap(list) {
		slices.Sort(list)
		list = slices.Compact(list)
		if len(list) > cap(list)/2 {
			list = slices.Grow(list, len(list)+len(names))
		}
	}
	return append(list, names...)
}

// boundRepeats returns an error if more names wait to be sent again than a client may subscribe to:
// those that it subscribed to and, beside the wildcard, dropped.
func (w *watch) boundRepeats() error {
	limit := w.session.rules.maxSubscriptions
	if limit == 0 || len(w.resends) <= 2*limit+minRepeats {
		return nil
	}
	slices.Sort(w.resends)
	w.resends = slices.Compact(w.resends)
	if len(w.resends) > 2*limit {
		return errTooManyNames(limit)
	}
	return nil
}
