package xds

import (
	"hash/maphash"
	"slices"
	"strings"
)

// A subscription is a canonical set of names, including names that do not exist (yet), and
// whether it wants everything besides. Equal sets in one collection are one object for all
// streams, counted. All fields are guarded by the pool's lock; content and names are replaced, never
// changed. names may be read without the lock by who watches the subscription: they are replaced only
// by the one watch that watches it.
type subscription struct {
	collection *collection
	key        uint64
	wildcard   bool
	names      []string // canonical, sorted, each once; without the wildcard
	content    *content
	watchers   []*slot
}

// waker runs a session. Its methods must not block.
type waker interface {
	wake()              // there may be something to send
	rejected(Rejection) // the client rejected a response; called with the group's lock held
}

// slot is where a watch stands among a subscription's watchers. The pool's lock guards index.
type slot struct {
	watch        *watch
	subscription *subscription
	index        int
}

// subscribe returns the subscription to canonical names, sorted, each once, and lets watch watch
// it. unsubscribe ends that. It is the subscription that exists for these names, or the one that
// only this watch watches, changed to these names, or a new one.
func (p *pool) subscribe(typeURL string, wildcard bool, names []string, watcher *watch) *subscription {
	p.mu.Lock()
	c := p.collection(typeURL)
	old := watcher.watched(c)
	var key uint64
	var added, dropped []string
	if old != nil && old.wildcard == wildcard {
		added, dropped = differenceOf(old.names, names)
		key = old.key + namesKey(added) - namesKey(dropped)
	} else {
		old, added, key = nil, names, subscriptionKey(wildcard, names)
	}
	s := c.find(key, wildcard, names)
	var unknown []string
	if s == nil {
		unknown = c.unknownNames(added)
	}
	if s == nil && old != nil && len(old.watchers) == 1 {
		c.edit(old, key, added, dropped)
		s = old
	} else {
		if s == nil {
			s = c.add(key, wildcard, names)
		}
		at := &slot{watcher, s, len(s.watchers)}
		watcher.slot = append(watcher.slot, at)
		s.watchers = append(s.watchers, at)
		p.subscribers++
	}
	p.mu.Unlock()
	p.demand(typeURL, unknown)
	return s
}

// watched returns a subscription in c that the watch watches, nil when there is none.
func (w *watch) watched(c *collection) *subscription {
	for _, at := range w.slot {
		if at.subscription.collection == c {
			return at.subscription
		}
	}
	return nil
}

// unsubscribe lets watch no longer watch s, and forgets s when nobody does.
func (s *subscription) unsubscribe(watcher *watch) {
	p := s.collection.pool
	i := slices.IndexFunc(watcher.slot, func(at *slot) bool { return at.subscription == s })
	at := watcher.slot[i]
	watcher.slot = slices.Delete(watcher.slot, i, i+1)
	p.mu.Lock()
	last := len(s.watchers) - 1
	moved := s.watchers[last]
	s.watchers[at.index], moved.index = moved, at.index
	s.watchers[last] = nil
	s.watchers = s.watchers[:last]
	if last == 0 {
		s.collection.remove(s)
		s.collection.forgetIfUnused()
	}
	p.subscribers--
	empty := p.subscribers == 0
	p.mu.Unlock()
	if empty && p.onEmpty != nil {
		p.onEmpty()
	}
}

var hashSeed = maphash.MakeSeed()

func subscriptionKey(wildcard bool, names []string) uint64 {
	key := namesKey(names)
	if wildcard {
		key++
	}
	return key
}

// namesKey is a hash of a set of names: that of a larger set is found by adding.
func namesKey(names []string) uint64 {
	var key uint64
	for _, name := range names {
		key += maphash.String(hashSeed, name)
	}
	return key
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

// edit changes what s asks for. But for copying the list of names, that costs what is added and dropped.
func (c *collection) edit(s *subscription, key uint64, added, dropped []string) {
	c.unlist(s)
	s.key, s.names = key, mergeNames(without(s.names, dropped), added)
	c.subscriptions[key] = append(c.subscriptions[key], s)
	for _, name := range added {
		i, _ := slices.BinarySearch(s.names, name)
		s.names[i] = c.enlist(name, s)
	}
	for _, name := range dropped {
		c.delist(name, s)
	}
	undecided := c.onlyUndecided(mergeNames(without(s.content.undecided, dropped), added))
	if s.wildcard {
		s.content = c.wildcardContent().undecidedAs(undecided)
		return
	}
	var changes []change
	for _, name := range dropped {
		for r := range s.content.named(name) {
			if !s.contains(r) {
				changes = append(changes, change{name: r.name})
			}
		}
	}
	for _, name := range added {
		for r := range c.table.named(name) {
			changes = append(changes, change{name: r.name, new: r})
		}
	}
	s.content = &content{table: s.content.table.with(changes), position: c.pool.position, undecided: undecided}
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
		c.delist(name, s)
	}
	c.wildcards = slices.DeleteFunc(c.wildcards, func(o *subscription) bool { return o == s })
	c.unlist(s)
}

// delist is the opposite of enlist.
func (c *collection) delist(name string, s *subscription) {
	delete(c.index[name], s)
	if len(c.index[name]) == 0 {
		delete(c.index, name)
		delete(c.undecided, name)
	}
}

// unlist takes s out of the subscriptions by key.
func (c *collection) unlist(s *subscription) {
	c.subscriptions[s.key] = slices.DeleteFunc(c.subscriptions[s.key], func(o *subscription) bool { return o == s })
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
