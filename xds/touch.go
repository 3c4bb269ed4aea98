package xds

import (
	"slices"
	"strings"
)

// touches says whether resources of the second type are sent once more, though unchanged,
// after one of the first type that refers to them changed: Envoy warms a changed cluster anew
// and waits for its endpoints (C094).
func touches(parent, child string) bool {
	return parent == ClusterType && child == EndpointType
}

// touch makes the stream's own watches send again what the changes of d need.
func (g *group) touch(p *watch, d *difference) {
	if p.typeURL == ClusterType || p.typeURL == RouteType {
		touchAll(p.session, p, d)
	}
}

// touchSiblings does so for the client's other streams, when the changes are acknowledged.
func (g *group) touchSiblings(p *watch, d *difference) {
	if p.typeURL != ClusterType && p.typeURL != RouteType {
		return
	}
	for _, s := range g.sessions {
		if s != p.session && s.watch(p.typeURL) == nil {
			touchAll(s, p, d)
			s.waker.wake()
		}
	}
	for _, absent := range g.departed {
		touchAll(absent.session, p, d) // see inheritTouched
	}
}

// inheritTouched takes over what a stream that ended a moment ago would have sent again: its client comes back
// with the same resources, and what refers to them changed before it said so.
func (p *watch) inheritTouched() {
	for _, d := range p.session.group.departed {
		q := d.session.watch(p.typeURL)
		if q == nil {
			continue
		}
		for _, name := range q.touched {
			if p.sent.get(name) != nil {
				p.touched = appendRepeats(p.touched, name)
			}
		}
		q.touched = nil
	}
}

// touchAll marks what of a stream has to be sent again after the changes of d to p.
func touchAll(s *session, p *watch, d *difference) {
	for _, ch := range d.changes {
		if ch.new == nil {
			continue
		}
		for _, ref := range ch.new.references {
			if !touches(p.typeURL, ref.Type) {
				continue
			}
			if q := s.watch(ref.Type); q != nil && q.sent.get(ref.Name) != nil {
				q.touched = appendRepeats(q.touched, ref.Name)
			}
		}
		if p.typeURL == RouteType {
			s.touchHosts(ch.name)
		}
	}
}

// touchHosts sends the virtual hosts of a changed route configuration again (C112), which it does
// not refer to: their names begin with its own.
func (s *session) touchHosts(route string) {
	q := s.watch(VirtualHostType)
	if q == nil {
		return
	}
	for r := range q.sent.all() {
		if strings.HasPrefix(r.name, route+"/") {
			q.touched = appendRepeats(q.touched, r.name)
		}
	}
}

// repeating says whether name is being sent once more although it did not change.
func (p *watch) repeating(name string) bool {
	if slices.Contains(p.touched, name) || slices.Contains(p.resends, name) {
		return true
	}
	if p.pending == nil {
		return false
	}
	ch, found := p.pending.list.find(name)
	return found && ch.new != nil && sameContent(ch.old, ch.new)
}
