package xds

import (
	"slices"
	"time"
)

// wildcardName asks for everything (C043, C066).
const wildcardName = "*"

// receiveSotW takes the subscription of a state-of-the-world request: all names, each time.
func (w *watch) receiveSotW(now time.Time, r *request) error {
	if r.sameNames {
		return nil
	}
	first := w.fresh
	w.fresh, w.last = false, r.encoded
	wildcard := slices.Contains(r.names, wildcardName) || len(r.names) == 0 && w.legacyWildcard && !w.everNamed
	w.everNamed = w.everNamed || len(r.names) > 0
	names := canonicalNames(withoutWildcard(r.names))
	if !first && wildcard == w.wildcard && slices.Equal(names, w.asked) {
		return nil
	}
	grown := wildcard && !w.wildcard || !containsAll(w.asked, names)
	shrunk := w.wildcard && !wildcard || !containsAll(names, w.asked)
	before := w.asked
	if err := w.ask(wildcard, names); err != nil {
		return err
	}
	if shrunk {
		w.limitAll(nil)
	}
	switch {
	case first:
		w.answerDue = w.sendsWhole()
		if r.version != "" && !w.sendsWhole() {
			w.awaitCatchUp(names, nil, r.version)
		}
		w.claimVersion(now, r.version, wildcard && len(names) == 0)
	case grown && w.sendsWhole():
		w.answerDue = true
	case grown:
		for _, name := range names {
			if _, had := slices.BinarySearch(before, name); !had && w.mayHave(name) {
				w.resends = appendRepeats(w.resends, name)
			}
		}
	}
	return nil
}

// receiveStale takes a request that was sent before the client had read the latest response. It is not answered, and
// what it asks for is in the client's next request (C025). But the client has dropped the names that are not in it:
// those that the next request has again are sent again (C050).
func (w *watch) receiveStale(_ time.Time, r *request) error {
	if r.sameNames || w.fresh {
		return nil
	}
	_, dropped := differenceOf(w.asked, canonicalNames(r.names))
	if len(dropped) == 0 {
		return nil
	}
	w.last = encodedNames{}
	if err := w.ask(w.wildcard, without(w.asked, dropped)); err != nil {
		return err
	}
	w.limitAll(nil)
	return nil
}

// claimVersion takes the version that a client which comes back says it has. If that is what it
// would get, the first answer is spared (C038), but only to those that ask for everything (C039).
// Otherwise the client has something that is not known here.
func (w *watch) claimVersion(now time.Time, version string, everything bool) {
	if version == "" {
		return
	}
	w.session.group.load()
	if everything && w.whole && w.want != nil && w.want.version() == version {
		w.returned = now
		w.sent, w.acked, w.position = w.want, w.want, w.want.position
		w.answerDue, w.answered = false, true
		w.recognized(now, w.want)
		return
	}
	w.claimUnknown(now)
}

// ask makes the watch watch what the client now asks for.
func (w *watch) ask(wildcard bool, names []string) error {
	s := w.session
	s.names += len(names) - len(w.asked)
	if s.rules.maxSubscriptions > 0 && s.names > s.rules.maxSubscriptions {
		return errTooManyNames(s.rules.maxSubscriptions)
	}
	w.wildcard, w.asked, w.idle = wildcard, names, nil
	w.attach()
	s.group.changed(s)
	if len(w.parts) == 1 {
		w.asked = w.parts[0].names // the shared copy
	} else {
		w.asked = slices.Clone(w.asked)
	}
	return nil
}

func withoutWildcard(names []string) []string {
	if !slices.Contains(names, wildcardName) {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == wildcardName })
}

// containsAll says whether the sorted list all holds every name of the sorted list some.
func containsAll(all, some []string) bool {
	for _, name := range some {
		for len(all) > 0 && all[0] < name {
			all = all[1:]
		}
		if len(all) == 0 || all[0] != name {
			return false
		}
	}
	return true
}
