package xdstest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// state is what a node has of a resource, over all its streams.
type state string

const (
	unasked      state = "not asked for"
	absent       state = "not sent"
	unanswered   state = "not acknowledged"
	acknowledged state = "acknowledged"
	refused      state = "rejected"
)

// state says what the node has of a resource at the time of m. A node that acknowledged it on one
// stream has it; one that was sent it long ago is not waited for any more.
func (r *Recorder) state(node string, of reference, m *Message) state {
	found := unasked
	r.ofNode(node, func(t *typed) {
		if t.url != of.typeURL || !t.wants(of.name) || found == acknowledged {
			return
		}
		sent := t.sent[of.name]
		switch {
		case t.taken[of.name] != nil:
			found = acknowledged
		case t.resumed:
			// unasked: the server may know that the version which the client came with has it
		case len(t.rejected[of.name]) > 0:
			found = refused
		case sent == nil:
			found = absent
		case m.Time.Sub(sent.at) >= r.options.OrderTimeout:
			found = acknowledged
		default:
			found = unanswered
		}
	})
	return found
}

func (r reference) String() string { return fmt.Sprintf("%s %q", short(r.typeURL), r.name) }

// sorted returns the references in a fixed order.
func (c *content) sorted() []reference {
	return slices.SortedFunc(maps.Keys(c.references), func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.typeURL, b.typeURL), cmp.Compare(a.name, b.name))
	})
}
