package xds

import (
	"maps"
	"slices"
	"time"
)

// receiveDelta takes the changes a delta request makes to the subscription.
func (w *watch) receiveDelta(now time.Time, r *request) error {
	first := w.fresh
	w.fresh = false
	if !first && len(r.names) == 0 && len(r.drop) == 0 {
		return nil
	}
	wildcard := w.wildcard && !slices.Contains(r.drop, wildcardName) || slices.Contains(r.names, wildcardName) ||
		first && len(r.names) == 0 && w.emptyMeansAll()
	subscribe := canonicalNames(withoutWildcard(r.names))
	drop := canonicalNames(withoutWildcard(r.drop))
	before := w.asked
	names := mergeNames(without(before, drop), subscribe)
	wasWildcard := w.wildcard
	shrunk := wasWildcard && !wildcard || len(drop) > 0
	w.answerDue = w.answerDue || first && wildcard || slices.Contains(r.names, wildcardName)
	if err := w.ask(wildcard, names); err != nil {
		return err
	}
	if shrunk {
		w.drop(before, drop, wasWildcard && !wildcard)
	}
	var claims map[string]string
	if first {
		claims = canonicalVersions(r.initial)
		w.awaitCatchUp(sortedNames(claims), claims, "")
		w.claim(now, claims)
	}
	w.answerFor(before, subscribe, claims)
	return nil
}

// emptyMeansAll says whether a first request without names asks for everything.
func (w *watch) emptyMeansAll() bool {
	return w.legacyWildcard || w.typeURL == VirtualHostType && w.session.rules.pushHosts
}

// drop forgets names the client no longer asks for. Of a name that is still covered by the
// wildcard it is told the state once more (C078). everything says that the wildcard was dropped.
func (w *watch) drop(before, drop []string, everything bool) {
	if everything {
		w.limitAll(nil)
	} else {
		w.limitAll(drop)
	}
	if !w.wildcard {
		w.resends = slices.DeleteFunc(w.resends, func(name string) bool {
			_, dropped := slices.BinarySearch(drop, name)
			return dropped
		})
		return
	}
	for _, name := range drop {
		if _, named := slices.BinarySearch(before, name); named && !w.named(name) {
			w.resends = appendRepeats(w.resends, name)
		}
	}
}

// answerFor sees to it that every name subscribed to is answered: also one that the client
// has already (C071), also one that does not exist (C072).
func (w *watch) answerFor(before, names []string, claims map[string]string) {
	if len(names) == 0 {
		return
	}
	w.session.group.load()
	if w.want == nil {
		w.resends = appendRepeats(w.resends, names...) // decided once there is something
		return
	}
	if len(before) == 0 && !w.wildcard && w.want.count == len(names) && w.want.further == nil && w.sent.count == 0 {
		return // all exist, none was sent: all are a change
	}
	for _, name := range names {
		_, had := slices.BinarySearch(before, name)
		_, claimed := claims[name] // what differs is a change, what does not is not sent again (C080)
		if had || w.mayHave(name) && !claimed || w.want.find(name) == nil {
			w.resends = appendRepeats(w.resends, name)
		}
	}
}

// canonicalVersions returns versions with the names in canonical spelling.
func canonicalVersions(versions map[string]string) map[string]string {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(versions)), isXdstp) {
		return versions
	}
	canonical := make(map[string]string, len(versions))
	for name, version := range versions {
		canonical[canonicalName(name)] = version
	}
	return canonical
}
