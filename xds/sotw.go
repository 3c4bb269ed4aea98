package xds

import "slices"

// wildcardName asks for everything (C043, C066).
const wildcardName = "*"

// receiveSotW takes the subscription of a state-of-the-world request: all names, each time.
func (p *place) receiveSotW(r *request) error {
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
		p.owed = p.sendsWhole()
		p.known(r, wildcard && len(names) == 0)
	case grown && p.sendsWhole():
		p.owed = true
	case grown:
		for _, name := range names {
			if _, had := slices.BinarySearch(before, name); !had && p.mayHave(name) {
				p.again = append(p.again, name)
			}
		}
	}
	return nil
}

// known skips the first answer to a client that reconnects with the version it would get
// (C038). That is certain only of those that ask for everything (C039).
func (p *place) known(r *request, everything bool) {
	if !everything || !p.whole || r.version == "" {
		return
	}
	p.session.group.load()
	if p.want != nil && p.want.sum.version() == r.version {
		p.sent, p.acked, p.position = p.want, p.want, p.want.position
		p.owed, p.answered = false, true
	}
}

// ask makes the place watch what the client now asks for.
func (p *place) ask(wildcard bool, names []string) error {
	s := p.session
	s.names += len(names) - len(p.asked)
	if s.rules.maxSubscriptions > 0 && s.names > s.rules.maxSubscriptions {
		return errTooManyNames(s.rules.maxSubscriptions)
	}
	p.wildcard, p.asked, p.idle = wildcard, names, nil
	p.attach()
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
