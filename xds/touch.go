package xds

import (
	"slices"
	"strings"
)

// A resend is due, though nothing changed, after a change of what leads a client to a resource: Envoy warms
// a changed cluster again and waits for its endpoints (C094), and virtual hosts belong to a route
// configuration (C112).

// touch makes the stream's own watches send again what depends on the changes of d.
func (g *group) touch(p *watch, d *difference) {
	if p.typeURL == ClusterType || p.typeURL == RouteType {
		p.session.touch(p.typeURL, d)
	}
}

// touchSiblings does so for the client's other streams, when the changes are acknowledged.
func (g *group) touchSiblings(p *watch, d *difference) {
	if p.typeURL != ClusterType && p.typeURL != RouteType {
		return
	}
	for _, s := range g.sessions {
		if s != p.session && s.watch(p.typeURL) == nil {
			s.touch(p.typeURL, d)
			s.waker.wake()
		}
	}
	for _, absent := range g.departed {
		absent.session.touch(p.typeURL, d) // see inheritTouched
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

func (s *session) touch(parent string, d *difference) {
	for _, q := range s.watches {
		q.touchAfter(parent, d)
	}
}

// touchAfter marks what of the watch has to be sent again after the changes of d to resources of the type parent.
func (p *watch) touchAfter(parent string, d *difference) {
	switch {
	case parent == ClusterType && p.typeURL == EndpointType:
		for _, ch := range d.changes {
			if ch.new == nil {
				continue
			}
			for _, ref := range ch.new.references {
				if ref.Type == EndpointType && p.sent.get(ref.Name) != nil {
					p.touched = appendRepeats(p.touched, ref.Name)
				}
			}
		}
	case parent == RouteType && p.typeURL == VirtualHostType:
		for _, ch := range d.changes {
			if ch.new != nil {
				p.touchHosts(ch.name)
			}
		}
	}
}

// touchHosts marks the virtual hosts of a route configuration, which does not refer to them: their names
// begin with its own.
func (p *watch) touchHosts(route string) {
	for r := range p.sent.all() {
		if strings.HasPrefix(r.name, route+"/") {
			p.touched = appendRepeats(p.touched, r.name)
		}
	}
}

// repeating says whether name is being sent once more, so that what the client acknowledged of it may not be
// enough for it to use what refers to it.
func (p *watch) repeating(name string) bool {
	if slices.Contains(p.touched, name) || slices.Contains(p.resends, name) {
		return true
	}
	if p.pending == nil {
		return false
	}
	if slices.Contains(p.pending.touched, name) {
		return true
	}
	ch, found := p.pending.list.find(name)
	return found && ch.new != nil && sameContent(ch.old, ch.new)
}
