package report

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/xds"
)

// delay is how long changes are collected before a snapshot becomes stale. If all proxies reject something at once,
// readers look a few times, and not once for each rejection.
const delay = 50 * time.Millisecond

// Collector collects what proxies report.
type Collector struct {
	rejecting atomic.Int64 // streams with rejections: while there are none, requests and responses are not looked at

	mu      sync.Mutex
	streams map[uint64]*stream // those with rejections, by ID
	current *Snapshot          // nil when it is stale
	stale   bool               // current is going to be
}

// stream holds the rejections of one stream.
type stream struct {
	node  *xds.Node
	types map[string]*rejections
}

// rejections are the rejections of one type.
type rejections struct {
	all []xds.Rejection // oldest first
	// The pending response, and which rejected names it contains. Its ACK accepts them.
	nonce string
	names []string
}

// NewCollector returns a collector without reports.
func NewCollector() *Collector { return &Collector{streams: map[uint64]*stream{}} }

// Snapshot returns what was reported until now, or until a moment ago.
func (c *Collector) Snapshot() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		c.current = &Snapshot{Rejections: c.rejections(), changed: make(chan struct{})}
	}
	return c.current
}

// rejections returns a copy of all rejections. The caller holds mu.
func (c *Collector) rejections() []Rejection {
	var all []Rejection
	for _, s := range c.streams {
		for _, t := range s.types {
			for _, r := range t.all {
				all = append(all, Rejection{Node: s.node, Rejection: r})
			}
		}
	}
	slices.SortFunc(all, func(a, b Rejection) int {
		return cmp.Or(cmp.Compare(a.Node.ID, b.Node.ID), cmp.Compare(a.Type, b.Type), a.Time.Compare(b.Time))
	})
	return all
}

// changed makes the current snapshot stale, after delay. The caller holds mu.
func (c *Collector) changed() {
	if c.current == nil || c.stale {
		return
	}
	c.stale = true
	time.AfterFunc(delay, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(c.current.changed)
		c.current, c.stale = nil, false
	})
}

// Callbacks returns callbacks that collect from the streams of one xDS server, and call next.
func (c *Collector) Callbacks(next xds.Callbacks) xds.Callbacks {
	return xds.Callbacks{
		StreamOpen: func(ctx context.Context, s xds.StreamInfo) error {
			if next.StreamOpen == nil {
				return nil
			}
			return next.StreamOpen(ctx, s)
		},
		StreamClose: func(s xds.StreamInfo, err error) {
			c.close(s.ID)
			if next.StreamClose != nil {
				next.StreamClose(s, err)
			}
		},
		Request: func(s xds.StreamInfo, r xds.RequestInfo) error {
			if r.Nonce != "" && r.Error == "" && c.rejecting.Load() > 0 {
				c.accepted(s.ID, r)
			}
			if next.Request == nil {
				return nil
			}
			return next.Request(s, r)
		},
		Response: func(s xds.StreamInfo, r xds.ResponseInfo) {
			if c.rejecting.Load() > 0 {
				c.sent(s.ID, r)
			}
			if next.Response != nil {
				next.Response(s, r)
			}
		},
		Rejected: func(s xds.StreamInfo, r xds.Rejection) {
			c.rejected(s, r)
			if next.Rejected != nil {
				next.Rejected(s, r)
			}
		},
	}
}

func (c *Collector) rejected(info xds.StreamInfo, r xds.Rejection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[info.ID]
	if s == nil {
		s = &stream{node: info.Node, types: map[string]*rejections{}}
		c.streams[info.ID] = s
		c.rejecting.Add(1)
	}
	t := s.types[r.Type]
	if t == nil {
		t = &rejections{}
		s.types[r.Type] = t
	}
	r.Names = slices.Clone(r.Names[:min(len(r.Names), MaxNames)])
	t.drop(r.Names) // the newest rejection of a name counts
	t.all = append(t.all[max(0, len(t.all)+1-MaxRejections):], r)
	c.changed()
}

// sent notes which rejected names a response contains again.
func (c *Collector) sent(id uint64, r xds.ResponseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.typeOf(id, r.Type)
	if t == nil {
		return
	}
	t.nonce, t.names = r.Nonce, nil
	for _, names := range []xds.Names{r.Resources, r.Removed} {
		for name := range names.All() {
			if slices.ContainsFunc(t.all, func(r xds.Rejection) bool { return slices.Contains(r.Names, name) }) {
				t.names = append(t.names, name)
			}
		}
	}
}

func (c *Collector) accepted(id uint64, r xds.RequestInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.typeOf(id, r.Type)
	if t == nil || t.nonce != r.Nonce || len(t.names) == 0 {
		return
	}
	t.drop(t.names)
	t.names = nil
	c.changed()
	if s := c.streams[id]; len(t.all) == 0 {
		delete(s.types, r.Type)
		if len(s.types) == 0 {
			c.forget(id)
		}
	}
}

func (c *Collector) typeOf(id uint64, typeURL string) *rejections {
	if s := c.streams[id]; s != nil {
		return s.types[typeURL]
	}
	return nil
}

func (c *Collector) close(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[id] != nil {
		c.forget(id)
		c.changed()
	}
}

func (c *Collector) forget(id uint64) {
	delete(c.streams, id)
	c.rejecting.Add(-1)
}

// drop removes names from all rejections, and the rejections that have none left. Snapshots hold the old lists.
func (t *rejections) drop(names []string) {
	var kept []xds.Rejection
	for _, r := range t.all {
		had := len(r.Names)
		r.Names = slices.DeleteFunc(slices.Clone(r.Names), func(name string) bool { return slices.Contains(names, name) })
		if len(r.Names) > 0 || had == 0 {
			kept = append(kept, r)
		}
	}
	t.all = kept
}
