package main

import (
	"slices"
	"sync"

	"github.com/doyen-mesh/doyen/xds"
)

// everyone is the node whose set is served to all nodes without a set of their own.
const everyone = "*"

// sets holds the resources of each node. A node's set is the snapshot of the view with its ID; a node without one
// gets the view of everyone.
type sets struct {
	cache *xds.SnapshotCache

	// changing is held while a set is read and its successor published, so that no concurrent call is lost.
	changing sync.Mutex
	orphans  map[string]bool // nodes that gave up their set before everyone had one

	mu  sync.RWMutex
	own map[string]bool // nodes that have a view of their own
}

func newSets() *sets {
	s := &sets{orphans: make(map[string]bool), own: make(map[string]bool)}
	s.cache = xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: s.view})
	return s
}

func (s *sets) view(node *xds.Node) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.own[node.ID] {
		return node.ID
	}
	return everyone
}

// get returns the node's own set, empty for a node without one.
func (s *sets) get(node string) []*xds.Resource {
	return resourcesOf(s.cache.Snapshot(node))
}

// replace makes resources the whole set of the node.
func (s *sets) replace(node string, resources []*xds.Resource) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.publish(node, xds.NewSnapshot(resources...))
}

// merge adds resources to the node's own set. They replace those of the same type and name.
func (s *sets) merge(node string, resources []*xds.Resource) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.publish(node, s.cache.Snapshot(node).With(resources, nil))
}

// remove removes matching resources from the node's own set, which remains, even if it is empty. It reports whether
// any matched.
func (s *sets) remove(node string, matches func(*xds.Resource) bool) bool {
	s.changing.Lock()
	defer s.changing.Unlock()
	had := s.get(node)
	kept := slices.DeleteFunc(slices.Clone(had), matches)
	if len(kept) == len(had) {
		return false
	}
	s.publish(node, xds.NewSnapshot(kept...))
	return true
}

// drop removes the node's own set: its streams follow the set of everyone from now on. If that was never published,
// they get an empty set.
func (s *sets) drop(node string) {
	s.changing.Lock()
	defer s.changing.Unlock()
	switch {
	case s.cache.Snapshot(node) == nil:
	case node == everyone:
		s.publish(node, xds.NewSnapshot())
	case s.cache.Snapshot(everyone) == nil:
		s.publish(node, xds.NewSnapshot())
		s.orphans[node] = true
	default:
		s.follow(node)
	}
}

// follow makes a node follow the set of everyone.
func (s *sets) follow(node string) {
	s.show(node, false)
	s.cache.Remove(node)
}

// publish publishes snapshot before the first stream is moved to it, so that a node that gains a set sees one change.
func (s *sets) publish(node string, snapshot *xds.Snapshot) {
	s.cache.Publish(node, snapshot)
	s.show(node, true)
	delete(s.orphans, node)
	if node == everyone {
		for orphan := range s.orphans {
			s.follow(orphan)
		}
		clear(s.orphans)
	}
}

// show selects the node's own view or that of everyone.
func (s *sets) show(node string, own bool) {
	s.mu.Lock()
	changes := s.own[node] != own && node != everyone
	if own {
		s.own[node] = true
	} else {
		delete(s.own, node)
	}
	s.mu.Unlock()
	if changes {
		s.cache.Reassign()
	}
}

func resourcesOf(snapshot *xds.Snapshot) []*xds.Resource {
	if snapshot == nil {
		return nil
	}
	var all []*xds.Resource
	for _, typeURL := range snapshot.Types() {
		all = append(all, snapshot.Resources(typeURL)...)
	}
	return all
}
