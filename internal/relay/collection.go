package relay

import (
	"fmt"
	"maps"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// collection is what a client has of one type. The session's lock guards it.
type collection struct {
	typeURL  string
	accepted map[string]entry // by name: what the client acknowledged
	pending  map[string]entry // by name: what it has not answered; a nil resource is a removal
	snapshot *xds.Snapshot    // accepted and pending together
	absent   map[string]bool  // names that the server says do not exist
	dropped  map[string]entry // by name: what the client acknowledged and no longer asks for; at most maxDropped

	complete  bool // accepted holds all that the wildcard matches
	published bool // the client's streams are answered

	files *files // of secrets, if the relay's clients get the content of files; else nil
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

func newCollection(typeURL string) *collection {
	return &collection{typeURL: typeURL, accepted: map[string]entry{}, snapshot: xds.NewSnapshot(), absent: map[string]bool{}, dropped: map[string]entry{}}
}

// versions are those that the relay claims at a server, by name.
func (c *collection) versions() map[string]string {
	v := make(map[string]string, len(c.accepted))
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
	pending := make(map[string]entry, len(u.Resources)+len(u.Removed))
	for _, r := range u.Resources {
		if r.Body == nil && u.Type == xds.VirtualHostType { // no such virtual host, as VHDS says it
			c.absent[r.Name] = true
			absent = append(absent, r.Name)
			continue
		}
		e, err := c.entryOf(r)
		if err != nil {
			return nil, err
		}
		pending[r.Name] = e
		delete(c.absent, r.Name)
	}
	for _, name := range u.Removed {
		c.absent[name] = true
		delete(c.dropped, name)
		if _, had := c.accepted[name]; had {
			pending[name] = entry{}
			continue
		}
		absent = append(absent, name)
	}
	c.pending = pending
	c.change(pending)
	return absent, nil
}

// entryOf makes a resource of one that the server sent. A heartbeat, which has no body, renews the one that
// the client has.
func (c *collection) entryOf(r client.Resource) (entry, error) {
	if r.Body == nil {
		if old, had := c.accepted[r.Name]; had {
			return old, nil
		}
		return entry{}, fmt.Errorf("resource %q has no body and is not known", r.Name)
	}
	references, err := envoyrefs.Decode(c.typeURL, r.Body.GetValue())
	if err != nil {
		references = nil // a message that only newer clients know
	}
	resource := xds.NewResource(c.typeURL, r.Name, r.Body.GetValue(), xds.ResourceOptions{References: references, TTL: r.TTL, Aliases: r.Aliases})
	return entry{resource, r.Version, c.files != nil && c.files.named(resource)}, nil
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

// accept makes what is pending accepted.
func (c *collection) accept() {
	for name, e := range c.pending {
		delete(c.dropped, name)
		if c.files != nil {
			delete(c.files.refused, name)
		}
		if e.resource == nil {
			delete(c.accepted, name)
			continue
		}
		c.accepted[name] = e
	}
	c.pending = nil
}

// undo drops what is pending, and reports whether there was anything.
func (c *collection) undo() bool {
	if len(c.pending) == 0 {
		return false
	}
	back := make(map[string]entry, len(c.pending))
	for name := range c.pending {
		delete(c.absent, name)
		if e := c.accepted[name]; c.has(e) {
			back[name] = e
		} else {
			back[name] = entry{}
		}
	}
	c.pending = nil
	c.change(back)
	return true
}

// forget drops what the client no longer asks for, and reports whether there was anything. The server says
// nothing more of it. The copy on disk keeps it.
func (c *collection) forget(asked func(name string) bool) bool {
	gone := map[string]entry{}
	for name, e := range c.accepted {
		if !asked(name) {
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
		if asked(name) {
			back[name], c.accepted[name] = e, e
			delete(c.dropped, name)
		}
	}
	c.change(back)
	return len(back) > 0
}
