package relay

import (
	"fmt"
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// collection is what a client has of one type. The session's lock guards it.
type collection struct {
	typeURL  string
	accepted map[string]entry // by name: what the client acknowledged
	offered  map[string]entry // by name: what it was offered instead, and has rejected or not answered; a nil resource is a removal
	snapshot *xds.Snapshot    // accepted, as offered changes it
	absent   map[string]bool  // names that the server says do not exist
	dropped  map[string]entry // by name: what the client acknowledged and no longer asks for; at most maxDropped

	pending  *pending             // the latest update; nil once the client has answered it
	rejected map[string]rejection // by name: what the client rejected last and has accepted nothing else for

	complete  bool // accepted holds all that the wildcard matches
	published bool // the client's streams are answered

	files *files // of secrets, if the relay's clients get the content of files; else nil
}

// pending is an update that the client has not answered yet.
type pending struct {
	all       []offer        // what the update contains
	offers    []offer        // of all: those that are not answered
	again     []xds.Ref      // of offers: what the client has rejected, and the server offers again
	rejection *xds.Rejection // of what the client rejected; nil when it has rejected nothing
	recheck   func()         // has the wait for the answers look again at what the client asks for
	whole     bool           // it completes all that the wildcard matches
}

// rejection is what a client said of an offer.
type rejection struct {
	entry
	*xds.Rejection
	current bool // it is what the server offered last
}

// offer is one part of an update: a resource, or the absence of one.
type offer struct {
	name string
	entry
}

// maxDropped bounds what is kept of a type that the client no longer asks for. A program that ends closes its gRPC channels,
// which lets go of everything; when it starts again without a server, it needs that.
const maxDropped = 1024

// entry is a resource and the version that the server gave it.
type entry struct {
	resource *xds.Resource
	version  string
	files    bool // the client gets the content of the files that resource names
}

// equal says whether a client that has one has the other.
func (e entry) equal(other entry) bool {
	if e.resource == nil || other.resource == nil {
		return e.resource == other.resource
	}
	return e.version == other.version && e.resource.Version() == other.resource.Version()
}

func newCollection(typeURL string) *collection {
	return &collection{
		typeURL: typeURL, accepted: map[string]entry{}, offered: map[string]entry{}, snapshot: xds.NewSnapshot(),
		absent: map[string]bool{}, dropped: map[string]entry{}, rejected: map[string]rejection{},
	}
}

// unacknowledged is the version that the relay claims of what the client was offered and may not have: the server sends
// it again, or its removal.
const unacknowledged = "unacknowledged"

// versions are those that the relay claims at a server, by name.
func (c *collection) versions() map[string]string {
	v := make(map[string]string, len(c.accepted))
	for name, e := range c.offered {
		if e.resource != nil {
			v[name] = unacknowledged
		}
	}
	for name, e := range c.accepted {
		if !c.has(e) && c.looked(e) {
			continue // it is to come again, so that it can be rejected
		}
		v[name] = e.version
	}
	return v
}

// apply takes an update in as pending, and returns the names that do not exist. A server sends no
// further update of a type before the last one was answered.
func (c *collection) apply(u *client.Update) (absent []string, err error) {
	offers := make([]offer, 0, len(u.Resources)+len(u.Removed))
	for _, r := range u.Resources {
		switch {
		case r.Body != nil:
			offers = append(offers, offer{r.Name, c.entryOf(r)})
		case u.Type == xds.VirtualHostType: // no such virtual host, as VHDS says it
			offers = append(offers, offer{name: r.Name})
		case c.snapshot.Get(xds.Ref{Type: c.typeURL, Name: r.Name}) == nil:
			return nil, fmt.Errorf("resource %q has no body and is not known", r.Name)
		} // else it is a heartbeat; the relay sends its own
	}
	for _, name := range u.Removed {
		offers = append(offers, offer{name: name})
	}
	p := &pending{all: offers, recheck: func() {}}
	again := c.offeredAgain(offers)
	changes := make(map[string]entry, len(offers))
	for _, o := range offers {
		r, rejected := c.rejected[o.name]
		if rejected {
			r.current = r.equal(o.entry)
			c.rejected[o.name] = r
		}
		switch {
		case !r.current:
		case !again[o.name]:
			p.rejection = r.Rejection
			continue
		default:
			p.again = append(p.again, xds.Ref{Type: c.typeURL, Name: o.name})
		}
		had := c.snapshot.Get(xds.Ref{Type: c.typeURL, Name: o.name}) != nil
		delete(c.offered, o.name)
		delete(c.absent, o.name)
		if o.resource == nil {
			c.absent[o.name] = true
			delete(c.dropped, o.name)
			if !had {
				absent = append(absent, o.name)
			}
		}
		if accepted := c.accepted[o.name]; o.equal(accepted) {
			o.entry = accepted
		} else {
			c.offered[o.name] = o.entry
		}
		changes[o.name] = o.entry
		p.offers = append(p.offers, o)
	}
	c.pending = p
	c.change(changes)
	return absent, nil
}

// offeredAgain returns the names in an update that the client has rejected together with others. The server offers a part
// of those, to find out which was wrong. What the client has rejected as it comes now, it is not asked again.
func (c *collection) offeredAgain(offers []offer) map[string]bool {
	parts := map[*xds.Rejection][]string{}
	for _, o := range offers {
		if r, rejected := c.rejected[o.name]; rejected && r.equal(o.entry) {
			parts[r.Rejection] = append(parts[r.Rejection], o.name)
		}
	}
	again := map[string]bool{}
	for r, names := range parts {
		for _, name := range names {
			again[name] = len(names) < len(r.Names)
		}
	}
	return again
}

// entryOf makes a resource of one that the server sent.
func (c *collection) entryOf(r client.Resource) entry {
	references, err := envoyrefs.Decode(c.typeURL, r.Body.GetValue())
	if err != nil {
		references = nil // a message that only newer clients know
	}
	resource := xds.NewResource(c.typeURL, r.Name, r.Body.GetValue(), xds.ResourceOptions{References: references, TTL: r.TTL, Aliases: r.Aliases})
	return entry{resource, r.Version, c.files != nil && c.files.named(resource)}
}

// change makes the snapshot hold entries. A secret that names files is left as it is until there is content.
func (c *collection) change(entries map[string]entry) {
	var put []*xds.Resource
	var remove []xds.Ref
	for name, e := range entries {
		if e.resource == nil {
			remove = append(remove, xds.Ref{Type: c.typeURL, Name: name})
			continue
		}
		if served := c.served(e); served != nil {
			put = append(put, served)
		}
	}
	c.snapshot = c.snapshot.With(put, remove)
}

// accept notes that the client accepted an offer, and reports whether that is news: it is not when something else
// has been offered meanwhile.
func (c *collection) accept(o offer) bool {
	if e, offered := c.offered[o.name]; !offered || e != o.entry {
		return false
	}
	delete(c.offered, o.name)
	delete(c.rejected, o.name)
	delete(c.dropped, o.name)
	if c.files != nil {
		delete(c.files.refused, o.name)
	}
	if o.resource == nil {
		delete(c.accepted, o.name)
	} else {
		c.accepted[o.name] = o.entry
	}
	return true
}

// reject notes that the client rejected an offer. Secrets that name files have a record of their own.
func (c *collection) reject(o offer, r *xds.Rejection) {
	if c.files != nil {
		return
	}
	if e, offered := c.offered[o.name]; offered && e == o.entry {
		c.rejected[o.name] = rejection{o.entry, r, true}
	}
}

// undo goes back to what the client acknowledged, and reports whether it had been offered anything else.
func (c *collection) undo() bool {
	if len(c.offered) == 0 {
		return false
	}
	back := make(map[string]entry, len(c.offered))
	for name := range c.offered {
		delete(c.absent, name)
		if e := c.accepted[name]; c.has(e) {
			back[name] = e
		} else {
			back[name] = entry{}
		}
	}
	clear(c.offered)
	clear(c.rejected)
	c.change(back)
	return true
}

// forget drops what the client no longer asks for, and reports whether there was anything. The server says
// nothing more of it. The copy on disk keeps what the client acknowledged.
func (c *collection) forget(asked func(name string) bool) bool {
	gone := map[string]entry{}
	for name, e := range c.offered {
		if !e.askedFor(name, asked) {
			gone[name] = entry{}
			delete(c.offered, name)
			delete(c.rejected, name)
			if e.resource == nil {
				delete(c.accepted, name) // it does not exist any more
			}
		}
	}
	for name, e := range c.accepted {
		if _, offered := c.offered[name]; !offered && !e.askedFor(name, asked) {
			gone[name] = entry{}
			delete(c.accepted, name)
			c.drop(name, e)
		}
	}
	for name := range c.absent {
		if !asked(name) {
			delete(c.absent, name)
		}
	}
	if c.files != nil {
		maps.DeleteFunc(c.files.refused, func(name string, _ refusal) bool { return !asked(name) })
	}
	c.change(gone)
	return len(gone) > 0
}

// askedFor says whether a client asks for a resource by its name or an alias, which virtual hosts have.
func (e entry) askedFor(name string, asked func(name string) bool) bool {
	return asked(name) || e.resource != nil && slices.ContainsFunc(e.resource.Aliases(), asked)
}

// drop keeps an entry for the copy on disk, and lets go of any other one if there are too many.
func (c *collection) drop(name string, e entry) {
	for other := range c.dropped {
		if len(c.dropped) < maxDropped {
			break
		}
		delete(c.dropped, other)
	}
	c.dropped[name] = e
}

// recall takes back what was dropped and is asked for again, and reports whether there was anything.
func (c *collection) recall(asked func(name string) bool) bool {
	back := map[string]entry{}
	for name, e := range c.dropped {
		if e.askedFor(name, asked) {
			back[name], c.accepted[name] = e, e
			delete(c.dropped, name)
		}
	}
	c.change(back)
	return len(back) > 0
}
