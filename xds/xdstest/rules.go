package xdstest

import (
	"fmt"
	"maps"
	"slices"
)

// rule is one thing that a server must never do.
type rule struct {
	name string
	// broken returns how a response breaks the rule, given all that was said before it.
	broken func(r *Recorder, s *stream, t *typed, m *Message) []string
}

// rules are all rules, with the numbers of what they watch over.
var rules = []rule{
	{"nonce", nonce},            // C021, C062: never empty, never used before on the stream
	{"duplicate", duplicate},    // C012, C086: no name twice, nor both sent and removed
	{"type", sameType},          // C013, C017: all resources are of the response's type
	{"unprompted", unprompted},  // C032, C033, C074: nothing is sent that is neither new nor asked for
	{"known", known},            // C080: nothing that the client said it holds
	{"order", order},            // C091, C092: what is referred to comes first, and is acknowledged
	{"removal", removal},        // C093, C098: nothing goes that an acknowledged resource refers to
	{"rejected", rejectedAgain}, // C029, C085: nothing refused is sent again
}

func nonce(_ *Recorder, s *stream, _ *typed, m *Message) []string {
	switch {
	case m.Nonce == "":
		return []string{"a response without a nonce"}
	case s.nonces[m.Nonce]:
		return []string{fmt.Sprintf("nonce %q was used before on this stream", m.Nonce)}
	}
	return nil
}

func duplicate(_ *Recorder, _ *stream, _ *typed, m *Message) (reasons []string) {
	seen := make(map[string]bool)
	names := slices.Clone(m.Removed)
	for _, r := range m.Resources {
		names = append(names, r.Name)
	}
	for _, name := range names {
		if name != "" && seen[name] {
			reasons = append(reasons, fmt.Sprintf("name %q occurs twice", name))
		}
		seen[name] = true
	}
	return reasons
}

func sameType(_ *Recorder, _ *stream, _ *typed, m *Message) (reasons []string) {
	for _, r := range m.Resources {
		if r.BodyType != "" && r.BodyType != m.Type {
			reasons = append(reasons, fmt.Sprintf("%q is of type %q", r.Name, r.BodyType))
		}
	}
	return reasons
}

// unprompted judges delta by the resource. In state-of-the-world a response may repeat whatever it
// likes beside a change, so only one that changes nothing at all is judged.
func unprompted(_ *Recorder, _ *stream, t *typed, m *Message) (reasons []string) {
	if t.prompted {
		return nil
	}
	news := len(t.removals(m)) > 0
	for _, name := range m.Removed {
		news = news || t.asked[name] || t.released[name] || len(t.rejected[name]) > 0
	}
	if !m.Delta && len(t.rejected) > 0 {
		news = true // the client may have taken a part of what it rejected: it hears that the rest is gone
	}
	for _, r := range m.Resources {
		before := t.sent[r.Name]
		unchanged := before != nil && before.equal(r.content)
		if r.Heartbeat || !unchanged || t.asked[r.Name] || t.touched[r.Name] || t.undone[r.Name] {
			news = true
		} else if m.Delta {
			reasons = append(reasons, fmt.Sprintf("%q did not change and was not asked for again", r.Name))
		}
	}
	if !news && len(reasons) == 0 {
		reasons = append(reasons, "nothing in it is new to the client or was asked for")
	}
	return reasons
}

func known(_ *Recorder, _ *stream, t *typed, m *Message) (reasons []string) {
	for _, r := range m.Resources {
		if version, ok := t.claimed[r.Name]; ok && version == r.Version && !r.Heartbeat && !t.touched[r.Name] {
			reasons = append(reasons, fmt.Sprintf("the client said that it holds %q at version %q", r.Name, version))
		}
	}
	return reasons
}

// rejectedAgain judges what a response would change. Of a response that was refused, a part may be
// offered again, to find out which of its changes was bad: less than all of them, and nothing else.
func rejectedAgain(_ *Recorder, _ *stream, t *typed, m *Message) (reasons []string) {
	offer := t.changes(m)
	if slices.ContainsFunc(t.refused, func(whole map[string]*content) bool { return isPart(offer, whole) }) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(offer)) {
		if slices.ContainsFunc(t.rejected[name], offer[name].equal) {
			reasons = append(reasons, fmt.Sprintf("%q was rejected with this content", name))
		}
	}
	return reasons
}

// isPart reports whether an offer is in whole, and less than it.
func isPart(offer, whole map[string]*content) bool {
	for name, c := range offer {
		if !c.equal(whole[name]) {
			return false
		}
	}
	return len(offer) < len(whole)
}

// order judges each change by the clusters that it newly refers to: those come before everything
// that routes to them. A first answer is never held, so it is not judged; nor is a reference to what
// the client does not ask for.
func order(r *Recorder, s *stream, t *typed, m *Message) (reasons []string) {
	for _, resource := range m.Resources {
		reasons = append(reasons, r.overdue(s, t, m, resource)...)
		before := t.sent[resource.Name]
		if t.responses == 0 || t.asked[resource.Name] || resource.Heartbeat {
			continue
		}
		for _, on := range resource.content.sorted() {
			if on.typeURL != clusterType || t.url == clusterType || before != nil && before.refersTo(on) {
				continue
			}
			switch found := r.state(s.node, on, m); found {
			case unasked, acknowledged:
			case absent:
				t.early = append(t.early, dependency{t, resource.Name, on, m.Time})
			default:
				reasons = append(reasons, fmt.Sprintf("%q refers to %s, which is %s", resource.Name, on, found))
			}
		}
	}
	return reasons
}

// overdue judges the resources that were sent before one that they refer to.
func (r *Recorder) overdue(s *stream, t *typed, m *Message, late Resource) (reasons []string) {
	on := reference{t.url, late.Name}
	if r.options.Dangling || t.sent[late.Name] != nil {
		return nil
	}
	r.ofNode(s.node, func(parent *typed) {
		for _, d := range parent.early {
			now := parent.sent[d.name]
			if d.on == on && now != nil && now.refersTo(on) && m.Time.Sub(d.at) < r.options.OrderTimeout {
				reasons = append(reasons, fmt.Sprintf("%s was sent before it, though it refers to it", reference{parent.url, d.name}))
			}
		}
		parent.early = slices.DeleteFunc(parent.early, func(d dependency) bool { return d.on == on })
	})
	return reasons
}

// removal judges what a response takes from the client by what the client's other resources, as
// acknowledged, refer to.
func removal(r *Recorder, s *stream, t *typed, m *Message) (reasons []string) {
	reasons = r.orphaned(s, t, m)
	for _, name := range t.removals(m) {
		on := reference{t.url, name}
		r.ofNode(s.node, func(parent *typed) {
			for _, of := range slices.Sorted(maps.Keys(parent.taken)) {
				if parent.taken[of].refersTo(on) && !parent.inherited[of] && r.inUse(s.node, reference{parent.url, of}) {
					if why := parent.changing(of, on); why != "" {
						reasons = append(reasons, fmt.Sprintf("%q is removed, but %s refers to it: %s", name, reference{parent.url, of}, why))
					} else {
						t.orphaned = append(t.orphaned, dependency{parent, of, on, m.Time})
					}
				}
			}
		})
	}
	return reasons
}

// inUse reports whether a resource does anything. Routes that no listener of the node's refers to do
// nothing, so they keep nothing else from going. Where the listeners come from elsewhere all may be in use.
func (r *Recorder) inUse(node string, of reference) bool {
	used, listeners := of.typeURL != routeType, false
	r.ofNode(node, func(t *typed) {
		listeners = listeners || t.url == listenerType
		for _, c := range t.taken {
			used = used || c.refersTo(of)
		}
		for _, c := range t.sent {
			used = used || c.refersTo(of)
		}
	})
	return used || !listeners
}

// changing says in what way a resource is about to stop referring to on; "" if it is not.
func (t *typed) changing(name string, on reference) string {
	if now := t.sent[name]; now == nil || !now.refersTo(on) {
		return "its change is not acknowledged"
	}
	for _, c := range t.rejected[name] {
		if !c.refersTo(on) {
			return "its change was rejected"
		}
	}
	return ""
}

// orphaned judges removals that went before a change that this response makes.
func (r *Recorder) orphaned(s *stream, t *typed, m *Message) (reasons []string) {
	if r.options.Dangling {
		return nil
	}
	removed := t.removals(m)
	r.ofNode(s.node, func(child *typed) {
		child.orphaned = slices.DeleteFunc(child.orphaned, func(d dependency) bool {
			if child.sent[d.on.name] != nil {
				return true // it is back
			}
			if d.parent != t {
				return false
			}
			gone := slices.Contains(removed, d.name)
			for _, resource := range m.Resources {
				gone = gone || resource.Name == d.name && !resource.Heartbeat && !resource.content.refersTo(d.on)
			}
			if gone {
				reasons = append(reasons, fmt.Sprintf("%s was removed before this change of %q, which referred to it", d.on, d.name))
			}
			return gone
		})
	})
	return reasons
}

// RuleNames returns the names of all rules, as violations have them.
func RuleNames() []string {
	names := make([]string, len(rules))
	for i, rule := range rules {
		names[i] = rule.name
	}
	return names
}
