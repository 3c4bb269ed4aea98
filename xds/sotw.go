package xds

import (
	"slices"
	"time"
)

// wildcardName asks for everything (C043, C066).
const wildcardName = "*"

// receiveSotW takes the subscription of a state-of-the-world request: all names, each time.
func (p *watch) receiveSotW(now time.Time, r *request) error {
	if r.sameNames {
		return nil
	}
	first := p.fresh
	p.fresh, p.last = false, r.encoded
	wildcard := slices.Contains(r.names, wildcardName) || len(r.names) == 0 && p.legacyWildcard && !p.everNamed
	p.everNamed = p.everNamed || len(r.names) > 0
	names := canonicalNames(withoutWildcard(r.names))
	if !first && wildcard == p.wildcard && slices.Equal(names, p.asked) {
		return nil
	}
	grown := wildcard && !p.wildcard || !containsAll(p.asked, names)
	shrunk := p.wildcard && !wildcard || !containsAll(names, p.asked)
	before := p.asked
	if err := p.ask(wildcard, names); err != nil {
		return err
	}
	if shrunk {
		p.limitAll(nil)
	}
	switch {
	case first:
		p.answerDue = p.sendsWhole()
		if r.version != "" && !p.sendsWhole() {
			p.awaitCatchUp(names, nil, r.version)
		}
		p.claimVersion(now, r.version, wildcard && len(names) == 0)
	case grown && p.sendsWhole():
		p.answerDue = true
	case grown:
		for _, name := range names {
			if _, had := slices.BinarySearch(before, name); !had && p.mayHave(name) {
				p.resends = appendRepeats(p.resends, name)
			}
		}
	}
	return nil
}

// receiveStale takes a request that was sent before the client had read the latest response. It is not answered, and
// what it asks for is in the client's next request (C025). But the client has dropped the names that are not in it:
// those that the next request has again are sent again (C050).
func (p *watch) receiveStale(_ time.Time, r *request) error {
	if r.sameNames || p.fresh {
		return nil
	}
	_, dropped := differenceOf(p.asked, canonicalNames(r.names))
	if len(dropped) == 0 {
		return nil
	}
	p.last = encodedNames{}
	if err := p.ask(p.wildcard, without(p.asked, dropped)); err != nil {
		return err
	}
	p.limitAll(nil)
	return nil
}

// claimVersion takes the version that a client which comes back says it has. If that is what it
// would get, the first answer is spared (C038), but only to those that ask for everything (C039).
// Otherwise the client has something that is not known here.
func (p *watch) claimVersion(now time.Time, version string, everything bool) {
	if version == "" {
		return
	}
	p.session.group.load()
	if everything && p.whole && p.want != nil && p.want.version() == version {
		p.returned = now
		p.sent, p.acked, p.position = p.want, p.want, p.want.position
		p.answerDue, p.answered = false, true
		p.recognized(now, p.want)
		return
	}
	p.claimUnknown(now)
}

// ask makes the watch watch what the client now asks for.
func (p *watch) ask(wildcard bool, names []string) error {
	s := p.session
	s.names += len(names) - len(p.asked)
	if s.rules.maxSubscriptions > 0 && s.names > s.rules.maxSubscriptions {
		return errTooManyNames(s.rules.maxSubscriptions)
	}
	p.wildcard, p.asked, p.idle = wildcard, names, nil
	p.attach()
	s.group.changed(s)
	if len(p.parts) == 1 {
		p.asked = p.parts[0].names // the shared copy
	} else {
		p.asked = slices.Clone(p.asked)
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
