package xds

import (
	"maps"
	"slices"
	"time"
)

// receiveDelta takes the changes a delta request makes to the subscription.
func (p *watch) receiveDelta(now time.Time, r *request) error {
	first := p.fresh
	p.fresh = false
	if !first && len(r.names) == 0 && len(r.drop) == 0 {
		return nil
	}
	wildcard := p.wildcard && !slices.Contains(r.drop, wildcardName) || slices.Contains(r.names, wildcardName) ||
		first && len(r.names) == 0 && p.emptyMeansAll()
	subscribe := canonicalNames(withoutWildcard(r.names))
	drop := canonicalNames(withoutWildcard(r.drop))
	before := p.asked
	names := mergeNames(without(before, drop), subscribe)
	wasWildcard := p.wildcard
	shrunk := wasWildcard && !wildcard || len(drop) > 0
	p.answerDue = p.answerDue || first && wildcard || slices.Contains(r.names, wildcardName)
	if err := p.ask(wildcard, names); err != nil {
		return err
	}
	if shrunk {
		p.drop(before, drop, wasWildcard && !wildcard)
	}
	var claims map[string]string
	if first {
		claims = canonicalVersions(r.initial)
		p.awaitCatchUp(sortedNames(claims), claims, "")
		p.claim(now, claims)
	}
	p.answerFor(before, subscribe, claims)
	return nil
}

// emptyMeansAll says whether a first request without names asks for everything.
func (p *watch) emptyMeansAll() bool {
	return p.legacyWildcard || p.typeURL == VirtualHostType && p.session.rules.pushHosts
}

// drop forgets names the client no longer asks for. Of a name that is still covered by the
// wildcard it is told the state once more (C078). everything says that the wildcard was dropped.
func (p *watch) drop(before, drop []string, everything bool) {
	if everything {
		p.limitAll(nil)
	} else {
		p.limitAll(drop)
	}
	if !p.wildcard {
		p.resends = slices.DeleteFunc(p.resends, func(name string) bool {
			_, dropped := slices.BinarySearch(drop, name)
			return dropped
		})
		return
	}
	for _, name := range drop {
		if _, named := slices.BinarySearch(before, name); named && !p.named(name) {
			p.resends = appendRepeats(p.resends, name)
		}
	}
}

// answerFor sees to it that every name subscribed to is answered: also one that the client
// has already (C071), also one that does not exist (C072).
func (p *watch) answerFor(before, names []string, claims map[string]string) {
	if len(names) == 0 {
		return
	}
	p.session.group.load()
	if p.want == nil {
		p.resends = appendRepeats(p.resends, names...) // decided once there is something
		return
	}
	if len(before) == 0 && !p.wildcard && p.want.count == len(names) && p.want.further == nil && p.sent.count == 0 {
		return // all exist, none was sent: all are a change
	}
	for _, name := range names {
		_, had := slices.BinarySearch(before, name)
		_, claimed := claims[name] // what differs is a change, what does not is not sent again (C080)
		if had || p.mayHave(name) && !claimed || p.want.find(name) == nil {
			p.resends = appendRepeats(p.resends, name)
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
