package control

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// compiler keeps the snapshots of all views up to date. The loop owns it; workers compile for it.
//
// A view is compiled when it is new, and again when a document that its last compilation read has changed. Views wait
// in a queue, each at most once, and are compiled from the documents that are accepted when their turn comes. So
// edits that arrive faster than views compile cause no extra compilations, and no view starves.
type compiler struct {
	// Fixed.
	log       *slog.Logger
	views     *views
	snapshots *xds.SnapshotCache
	jobs      chan job
	done      chan result

	accepted *config.Snapshot
	entries  map[*use]*entry
	readers  map[config.Key]map[*entry]struct{} // what was read -> by whom
	queue    []*entry
	// retained counts, by revision, the views that have a snapshot of it or are being compiled from it, except idle
	// views that have the accepted one. dropped says that a revision is not live any more.
	retained map[*config.Snapshot]int
	dropped  bool
}

// entry is what the compiler knows of one view.
type entry struct {
	use     *use
	view    View             // but for its revision
	reads   compile.Reads    // nil before it was compiled
	ready   bool             // it has a snapshot
	from    *config.Snapshot // what that was made from, where it is not what the view should have
	state   entryState
	removed bool
}

// entryState is an entry's position in the queue.
type entryState int

const (
	idle entryState = iota
	queued
	compiling
)

// job is a view to compile, and result is the outcome.
type job struct {
	entry     *entry
	documents *config.Snapshot
}

type result struct {
	job
	reads       compile.Reads
	snapshot    *xds.Snapshot
	unreachable []ir.Unreachable
	notApplied  []ir.NotApplied
	err         error
}

// caches are shared by all compilations.
type caches struct {
	calls     *compile.Cache
	resources *envoy.Cache
}

func newCompiler(v *views, snapshots *xds.SnapshotCache, log *slog.Logger) *compiler {
	workers := max(1, runtime.GOMAXPROCS(0)/2) // the other half is left to streams and endpoints
	return &compiler{
		log: log, views: v, snapshots: snapshots,
		jobs: make(chan job), done: make(chan result, workers),
		entries:  map[*use]*entry{},
		readers:  map[config.Key]map[*entry]struct{}{},
		retained: map[*config.Snapshot]int{},
	}
}

// work compiles what the loop sends, until ctx ends. There are cap(done) workers.
func (c *compiler) work(ctx context.Context, caches *caches) {
	for {
		select {
		case j := <-c.jobs:
			select {
			case c.done <- j.run(caches):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// run compiles and encodes a view.
func (j job) run(caches *caches) result {
	r := result{job: j}
	var proxy ir.Proxy
	view := mesh.View{Node: j.entry.use.node, Revision: j.documents.Revision}
	if proxy, r.reads, r.err = caches.calls.Track(&j.documents.Documents, view); r.err != nil {
		return r
	}
	resources, err := caches.resources.Resources(proxy)
	if err != nil {
		r.err = err
		return r
	}
	all := make([]*xds.Resource, len(resources))
	for i, resource := range resources {
		all[i] = resource.Resource
	}
	r.snapshot, r.unreachable, r.notApplied = xds.NewSnapshot(all...), proxy.Unreachable, proxy.NotApplied
	return r
}

// accept makes another revision the accepted one, queues the views that read what has changed, and returns their
// number.
func (c *compiler) accept(documents *config.Snapshot, changed []config.Key) (affected int) {
	if slices.ContainsFunc(changed, func(key config.Key) bool { return key.Kind == config.AnyServiceKey().Kind }) {
		changed = append(slices.Clip(changed), config.AnyServiceKey())
	}
	for _, key := range changed {
		for e := range c.readers[key] {
			if e.use.pinned == nil && e.state == idle {
				c.retain(e, c.accepted)
				c.push(e)
				affected++
			}
		}
	}
	c.dropped = c.dropped || c.retained[c.accepted] == 0
	c.accepted = documents
	return affected
}

// add starts to keep a view up to date.
func (c *compiler) add(u *use) {
	e := &entry{use: u}
	c.entries[u] = e
	if u.pinned != nil {
		c.retained[u.pinned]++
	}
	c.push(e)
}

// push queues an entry.
func (c *compiler) push(e *entry) {
	e.state = queued
	c.queue = append(c.queue, e)
	if e.reads != nil {
		e.view.Behind = true
		c.views.set(e.use, e.view, e.from)
	}
}

// next returns the next job. The channel is nil if there is none.
func (c *compiler) next() (chan<- job, job) {
	for len(c.queue) > 0 && c.queue[0].removed {
		c.queue = c.queue[1:]
	}
	if len(c.queue) == 0 {
		c.queue = nil
		return nil, job{}
	}
	e := c.queue[0]
	return c.jobs, job{entry: e, documents: c.documentsOf(e)}
}

// started notes that a worker has taken that job, which was the next one.
func (c *compiler) started(j job) {
	j.entry.state = compiling
	c.retained[j.documents]++
	c.queue = c.queue[1:]
}

func (c *compiler) documentsOf(e *entry) *config.Snapshot {
	if e.use.pinned != nil {
		return e.use.pinned
	}
	return c.accepted
}

// finish publishes a compiled view. If a document that the compilation read has changed meanwhile, it queues the view
// again.
func (c *compiler) finish(r result) {
	defer c.unretain(r.documents)
	e := r.entry
	if e.removed {
		return
	}
	if errors.Is(r.err, compile.ErrNoDocument) && e.reads != nil && c.views.drop(e.use) {
		c.remove(e) // a document was removed after its last proxy: nobody needs the view
		return
	}
	c.index(e, r.reads)
	e.state, e.view.Behind, e.view.Err = idle, false, r.err
	if r.err == nil {
		c.snapshots.Publish(e.use.key, r.snapshot)
		e.ready, e.view.Unreachable, e.view.NotApplied = true, r.unreachable, r.notApplied
		c.release(e)
	} else {
		node := e.use.node
		c.log.Warn("view cannot be compiled", "role", node.Role, "service", node.Service, "edge", node.Edge, "error", r.err)
	}
	if documents := c.documentsOf(e); documents.Documents.AnyChanged(r.reads, &r.documents.Documents) {
		c.retain(e, r.documents)
		c.push(e)
		return
	}
	c.views.set(e.use, e.view, e.from)
}

// index records which documents the compilation of e read.
func (c *compiler) index(e *entry, reads compile.Reads) {
	if slices.Equal(e.reads, reads) {
		return // most edits change settings only
	}
	c.unindex(e)
	e.reads = reads
	for _, key := range reads {
		if c.readers[key] == nil {
			c.readers[key] = map[*entry]struct{}{}
		}
		c.readers[key][e] = struct{}{}
	}
}

func (c *compiler) unindex(e *entry) {
	for _, key := range e.reads {
		if delete(c.readers[key], e); len(c.readers[key]) == 0 {
			delete(c.readers, key)
		}
	}
}

// forget stops keeping a view.
func (c *compiler) forget(u *use) {
	if e := c.entries[u]; e != nil {
		c.remove(e)
	}
}

func (c *compiler) remove(e *entry) {
	e.removed = true
	c.unindex(e)
	c.release(e)
	if pinned := e.use.pinned; pinned != nil {
		c.unretain(pinned)
	}
	delete(c.entries, e.use)
	c.snapshots.Remove(e.use.key)
}

// retain notes that e has the snapshot of a revision that it should not have any more.
func (c *compiler) retain(e *entry, documents *config.Snapshot) {
	if e.ready && e.from == nil {
		e.from = documents
		c.retained[documents]++
	}
}

func (c *compiler) release(e *entry) {
	if e.from != nil {
		c.unretain(e.from)
		e.from = nil
	}
}

func (c *compiler) unretain(documents *config.Snapshot) {
	if c.retained[documents]--; c.retained[documents] == 0 {
		delete(c.retained, documents)
		c.dropped = c.dropped || documents != c.accepted
	}
}

// live returns the revisions that views have, the accepted one first.
func (c *compiler) live() []*config.Snapshot {
	others := make([]*config.Snapshot, 0, len(c.retained))
	for documents := range c.retained {
		if documents != c.accepted {
			others = append(others, documents)
		}
	}
	slices.SortFunc(others, func(a, b *config.Snapshot) int { return cmp.Compare(a.Revision, b.Revision) })
	return append([]*config.Snapshot{c.accepted}, others...)
}
