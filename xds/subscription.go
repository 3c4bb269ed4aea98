package xds

import (
	"hash/maphash"
	"slices"
	"strings"
)

// A subscription is a canonical set of names, including names that do not exist (yet), and
// whether it wants everything besides. Equal sets in one collection are one object for all
// streams, counted. All fields are guarded by the pool's lock; content is replaced, never changed.
type subscription struct {
	collection *collection
	key        uint64
	wildcard   bool
	names      []string // canonical, sorted, each once; without the wildcard
	content    *content
	watchers   []*place
}

// waker runs a session. Its methods must not block.
type waker interface {
	wake()              // there may be something to send
	rejected(Rejection) // the client refused a response; called with the group's lock held
}

// subscribe returns the subscription to canonical names, sorted, each once, made if there is none
// like it, and lets place watch it. unsubscribe ends that.
func (p *pool) subscribe(typeURL string, wildcard bool, names []string, watcher *place) *subscription {
	p.mu.Lock()
	c := p.collection(typeURL)
	key := subscriptionKey(wildcard, names)
	s := c.find(key, wildcard, names)
	var unknown []string
	if s == nil {
		unknown = c.unknownNames(names)
		s = c.add(key, wildcard, names)
	}
	watcher.slot = append(watcher.slot, slot{s, len(s.watchers)})
	s.watchers = append(s.watchers, watcher)
	p.subscribers++
	p.mu.Unlock()
	p.demand(typeURL, unknown)
	return s
}

// slot is where a place stands among a subscription's watchers.
type slot struct {
	subscription *subscription
	index        int
}

// unsubscribe lets place no longer watch s, and forgets s when nobody does.
func (s *subscription) unsubscribe(watcher *place) {
	p := s.collection.pool
	p.mu.Lock()
	at := watcher.slotOf(s)
	last := len(s.watchers) - 1
	moved := s.watchers[last]
	s.watchers[at.index] = moved
	moved.slotOf(s).index = at.index
	s.watchers[last] = nil
	s.watchers = s.watchers[:last]
	watcher.slot = slices.DeleteFunc(watcher.slot, func(o slot) bool { return o.subscription == s })
	if last == 0 {
		s.collection.remove(s)
	}
	p.subscribers--
	empty := p.subscribers == 0
	p.mu.Unlock()
	if empty && p.onEmpty != nil {
		p.onEmpty()
	}
}

// slotOf returns the place's slot in s. The caller holds the lock of the pool of s.
func (p *place) slotOf(s *subscription) *slot {
	for i := range p.slot {
		if p.slot[i].subscription == s {
			return &p.slot[i]
		}
	}
	return nil
}

var hashSeed = maphash.MakeSeed()

func subscriptionKey(wildcard bool, names []string) uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	if wildcard {
		h.WriteByte(1)
	}
	for _, name := range names {
		h.WriteString(name)
		h.WriteByte(0)
	}
	return h.Sum64()
}

func (c *collection) find(key uint64, wildcard bool, names []string) *subscription {
	for _, s := range c.subscriptions[key] {
		if s.wildcard == wildcard && slices.Equal(s.names, names) {
			return s
		}
	}
	return nil
}

func (c *collection) add(key uint64, wildcard bool, names []string) *subscription {
	s := &subscription{collection: c, key: key, wildcard: wildcard, names: slices.Clone(names)}
	for i, name := range s.names {
		s.names[i] = c.enlist(name, s)
	}
	if wildcard {
		c.wildcards = append(c.wildcards, s)
		s.content = c.wildcardContent().undecidedAs(c.undecidedOf(s))
	} else {
		s.content = &content{table: c.selected(s), position: c.pool.position, undecided: c.undecidedOf(s)}
	}
	c.subscriptions[key] = append(c.subscriptions[key], s)
	return s
}

// enlist enters s in the index and returns the index's own copy of name, so that
// subscriptions share the bytes and pin no request.
func (c *collection) enlist(name string, s *subscription) string {
	interested := c.index[name]
	if interested == nil {
		name = strings.Clone(name)
		interested = map[*subscription]struct{}{}
		c.index[name] = interested
	} else {
		for other := range interested {
			i, _ := slices.BinarySearch(other.names, name)
			name = other.names[i]
			break
		}
	}
	interested[s] = struct{}{}
	return name
}

// wildcardContent is the whole collection, as one object for all wildcard subscriptions.
func (c *collection) wildcardContent() *content {
	for _, s := range c.wildcards {
		if s.content != nil && len(s.content.undecided) == 0 {
			return s.content
		}
	}
	return &content{table: c.table, position: c.pool.position}
}

// selected returns the part of the collection that s names.
func (c *collection) selected(s *subscription) *table {
	found := make([]*Resource, 0, len(s.names))
	for _, name := range s.names {
		found = slices.AppendSeq(found, c.table.named(name))
	}
	return newTable(found)
}

func (c *collection) remove(s *subscription) {
	for _, name := range s.names {
		delete(c.index[name], s)
		if len(c.index[name]) == 0 {
			delete(c.index, name)
			delete(c.undecided, name)
		}
	}
	isIt := func(o *subscription) bool { return o == s }
	c.wildcards = slices.DeleteFunc(c.wildcards, isIt)
	c.subscriptions[s.key] = slices.DeleteFunc(c.subscriptions[s.key], isIt)
	if len(c.subscriptions[s.key]) == 0 {
		delete(c.subscriptions, s.key)
	}
}

// contains says whether r is of what the subscription asks for.
func (s *subscription) contains(r *Resource) bool {
	return s.wildcard || s.hasName(r.name) ||
		slices.ContainsFunc(r.further, func(entry *Resource) bool { return s.hasName(entry.furtherName()) })
}

// hasName says whether the subscription asks for a canonical name by that name.
func (s *subscription) hasName(name string) bool {
	_, found := slices.BinarySearch(s.names, name)
	return found
}

// canonicalNames returns names sorted, each once, in canonical spelling.
func canonicalNames(names []string) []string {
	if slices.ContainsFunc(names, isXdstp) {
		names = slices.Clone(names)
		for i, name := range names {
			names[i] = canonicalName(name)
		}
	}
	strictly := true
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			strictly = false
			break
		}
	}
	if strictly {
		return names
	}
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}
