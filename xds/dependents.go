package xds

import (
	"slices"
	"strings"
)

// Some resources are sent again, though unchanged, after a change of the resource that leads to them: Envoy warms a
// changed cluster again and waits for its endpoints (C094), and virtual hosts belong to a route configuration (C112).

// resendDependents has the stream's own watches send again what depends on the changes of d.
func (g *group) resendDependents(w *watch, d *difference) {
	if w.typeURL == ClusterType || w.typeURL == RouteType {
		w.session.resendDependents(w.typeURL, d)
	}
}

// resendDependentsOfSiblings does so for the client's other streams, when the changes are acknowledged.
func (g *group) resendDependentsOfSiblings(w *watch, d *difference) {
	if w.typeURL != ClusterType && w.typeURL != RouteType {
		return
	}
	for _, s := range g.sessions {
		if s != w.session && s.watch(w.typeURL) == nil {
			s.resendDependents(w.typeURL, d)
			s.waker.wake()
		}
	}
	for _, absent := range g.departed {
		absent.session.resendDependents(w.typeURL, d) // see inheritResends
	}
}

// inheritResends takes over what a stream that ended a moment ago would have sent again. Its client comes back with
// the same resources, and what refers to them changed before the client said that it has them.
func (w *watch) inheritResends() {
	for _, d := range w.session.group.departed {
		q := d.session.watch(w.typeURL)
		if q == nil {
			continue
		}
		for _, name := range q.parentChanged {
			if w.sent.get(name) != nil {
				w.parentChanged = appendRepeats(w.parentChanged, name)
			}
		}
		q.parentChanged = nil
	}
}

func (s *session) resendDependents(parent string, d *difference) {
	for _, q := range s.watches {
		q.resendAfter(parent, d)
	}
}

// resendAfter notes which resources of the watch are to be sent again after the changes of d to resources of the type
// parent.
func (w *watch) resendAfter(parent string, d *difference) {
	switch {
	case parent == ClusterType && w.typeURL == EndpointType:
		for _, ch := range d.changes {
			if ch.new == nil {
				continue
			}
			for _, ref := range ch.new.references {
				if ref.Type == EndpointType && w.sent.get(ref.Name) != nil {
					w.parentChanged = appendRepeats(w.parentChanged, ref.Name)
				}
			}
		}
	case parent == RouteType && w.typeURL == VirtualHostType:
		for _, ch := range d.changes {
			if ch.new != nil {
				w.resendHosts(ch.name)
			}
		}
	}
}

// resendHosts notes the virtual hosts of a route configuration, which does not refer to them: their names begin with
// its own.
func (w *watch) resendHosts(route string) {
	for r := range w.sent.all() {
		if strings.HasPrefix(r.name, route+"/") {
			w.parentChanged = appendRepeats(w.parentChanged, r.name)
		}
	}
}

// repeating says whether name is being sent once more, so that what the client acknowledged of it may not be
// enough for it to use what refers to it.
func (w *watch) repeating(name string) bool {
	if slices.Contains(w.parentChanged, name) || slices.Contains(w.resends, name) {
		return true
	}
	if w.pending == nil {
		return false
	}
	if slices.Contains(w.pending.parentChanged, name) {
		return true
	}
	ch, found := w.pending.list.find(name)
	return found && ch.new != nil && sameContent(ch.old, ch.new)
}
