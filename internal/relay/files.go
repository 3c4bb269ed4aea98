package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// A server names certificates by their files on the client's host. With Options.NamesFiles, clients get the content of
// the files in place of the names: whoever reads the files asks Named which secrets there are, and says with Provide
// what is in the files. What the server sent, and what is saved on disk, has the names only.
//
// A secret without content is rejected on behalf of the client. The client is told that there is none, so that nothing
// waits for it. When there is content, the server is asked for the secret again, so that it hears the ACK.

// Content is what clients get in place of a secret that names files.
type Content struct {
	Resource *xds.Resource // with the content of the files; nil when they never had any that can be used
	Problem  error         // why what is in the files now is not used, or should not be; nil when all is well
}

// Key tells secrets apart: by name and by version, as a server sends them.
type Key struct{ Name, Version string }

// KeyOf returns the key of a secret of a server.
func KeyOf(r *xds.Resource) Key { return Key{r.Name(), r.Version()} }

// Named returns the secrets of servers that name files, of all clients, and a channel that closes when there are more.
func (r *Relay) Named() (all []*xds.Resource, more <-chan struct{}) {
	more = r.named.wait()
	seen := map[Key]bool{}
	for _, s := range r.all() {
		for _, named := range s.named() {
			if key := KeyOf(named); !seen[key] {
				seen[key] = true
				all = append(all, named)
			}
		}
	}
	return all, more
}

// Provide says what is in the files that secrets name. A secret that is not in contents has not been looked at yet. The
// map must not be changed afterwards, and equal content must be the same resource.
func (r *Relay) Provide(contents map[Key]Content) {
	for _, s := range r.all() {
		s.provide(contents)
	}
}

// notice tells those who wait that something is another by now.
type notice struct {
	mu      sync.Mutex
	changed chan struct{}
}

// wait returns a channel that closes at the next call of tell.
func (n *notice) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

func (n *notice) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// files is what a collection knows of its secrets that name files. The session's lock guards it.
type files struct {
	named    func(*xds.Resource) bool
	contents map[Key]Content    // as provided last
	provided chan struct{}      // closes when contents are others
	refused  map[string]refusal // by name, until there is other content
}

// refusal is a secret that was rejected, and the content that its client rejected; nil when there was none.
type refusal struct {
	entry
	content *xds.Resource
}

// serveFiles makes clients get content in place of what names files.
func (c *collection) serveFiles(named func(*xds.Resource) bool) {
	c.files = &files{named: named, provided: make(chan struct{}), refused: map[string]refusal{}}
	withheld := map[string]entry{}
	for name, e := range c.accepted {
		if e.files = named(e.resource); e.files {
			c.accepted[name], withheld[name] = e, entry{}
		}
	}
	c.change(withheld)
}

// served is what clients get of an entry: its resource, or the content of the files that this names; nil when there is
// none, or nobody has looked yet.
func (c *collection) served(e entry) *xds.Resource {
	if !e.files {
		return e.resource
	}
	return c.files.contents[KeyOf(e.resource)].Resource
}

// looked says whether it is known what clients get of an entry.
func (c *collection) looked(e entry) bool {
	if !e.files {
		return true
	}
	_, known := c.files.contents[KeyOf(e.resource)]
	return known
}

// has says whether clients can have an entry.
func (c *collection) has(e entry) bool { return c.served(e) != nil }

// problem is why pending secrets have no content, "" when all have. While some have not been looked at, it returns a
// channel that closes when more are known.
func (c *collection) problem() (problem string, wait <-chan struct{}) {
	if c.files == nil {
		return "", nil
	}
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(c.pending)) {
		switch e := c.pending[name]; {
		case !c.looked(e):
			return "", c.files.provided
		case e.files && !c.has(e):
			problems = append(problems, fmt.Sprintf("secret %q: %v", name, c.files.contents[KeyOf(e.resource)].Problem))
		}
	}
	return strings.Join(problems, "; "), nil
}

// refuse undoes what is pending. Of its secrets that name files, it keeps those without content, or all if the client
// rejected them, until there is other content. It returns the names of those that the client does not have.
func (c *collection) refuse() (absent []string) {
	pending := c.pending
	problem, _ := c.problem()
	c.undo()
	for name, e := range pending {
		if !e.files || problem != "" && c.has(e) {
			continue
		}
		c.files.refused[name] = refusal{e, c.served(e)}
		if !c.has(e) && !c.has(c.accepted[name]) {
			c.absent[name] = true
			absent = append(absent, name)
		}
	}
	return absent
}

// provided is what follows from new contents.
type provided struct {
	changed bool             // the client gets something else in place of what it has acknowledged
	absent  []string         // the names that have no content after all
	again   []string         // the names for which the server is to be asked again
	usable  map[string]entry // those that were refused and have other content by now
}

// provide takes what is in files by now.
func (c *collection) provide(contents map[Key]Content) (p provided) {
	before := c.files.contents
	c.files.contents = contents
	close(c.files.provided)
	c.files.provided = make(chan struct{})
	change, ask := map[string]entry{}, map[string]bool{}
	for name, e := range c.accepted {
		if _, replaced := c.pending[name]; replaced || !e.files {
			continue
		}
		old, looked := before[KeyOf(e.resource)]
		now, known := contents[KeyOf(e.resource)]
		switch {
		case known && !looked && now.Resource == nil: // of the copy on disk
			c.absent[name], ask[name] = true, true
			p.absent = append(p.absent, name)
		case known && now.Resource != old.Resource:
			delete(c.absent, name)
			change[name] = e
			if looked && old.Resource == nil {
				ask[name] = true
			}
		}
	}
	p.changed, p.usable = len(change) > 0, map[string]entry{}
	for name, e := range c.pending {
		if e.files {
			change[name] = e
		}
	}
	c.change(change)
	for name, refused := range c.files.refused {
		if now := contents[KeyOf(refused.resource)].Resource; now != nil && now != refused.content {
			delete(c.files.refused, name)
			p.usable[name], ask[name] = refused.entry, true
		}
	}
	p.again = slices.Sorted(maps.Keys(ask))
	return p
}

// named returns the secrets that name files, whether the client has them or not.
func (s *session) named() (all []*xds.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.types[xds.SecretType]
	if c == nil || c.files == nil {
		return nil
	}
	for _, entries := range []map[string]entry{c.accepted, c.pending} {
		for _, e := range entries {
			if e.files {
				all = append(all, e.resource)
			}
		}
	}
	for _, refused := range c.files.refused {
		all = append(all, refused.resource)
	}
	return all
}

// provide takes what is in files by now.
func (s *session) provide(contents map[Key]Content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.types[xds.SecretType]
	if c == nil || c.files == nil {
		return
	}
	p := c.provide(contents)
	if s.upstream != nil && !s.upstream.connected && len(c.pending) == 0 && len(p.usable) > 0 {
		s.take(c, p.usable)
	}
	if c.published {
		s.publish(xds.SecretType, c)
	}
	s.relay.notFound(s.id, xds.SecretType, p.absent)
	if s.upstream == nil {
		return
	}
	again := slices.DeleteFunc(p.again, func(name string) bool { return s.asked[xds.Ref{Type: xds.SecretType, Name: name}] == 0 })
	if len(again) > 0 {
		s.upstream.client.Unsubscribe(xds.SecretType, again...)
		s.upstream.client.Subscribe(xds.SecretType, again...)
	}
	if p.changed {
		u, names := s.upstream, slices.Collect(maps.Keys(c.accepted))
		s.relay.sessions.Go(func() { s.follow(u, names) })
	}
}

// take gives the client secrets that a server sent earlier and that are usable by now, while no server can be asked for
// them again. The caller holds mu.
func (s *session) take(c *collection, usable map[string]entry) {
	c.pending = usable
	for name := range usable {
		delete(c.absent, name)
	}
	c.change(usable)
	u, update := s.upstream, &client.Update{Type: c.typeURL}
	for name := range usable {
		update.Resources = append(update.Resources, client.Resource{Name: name})
	}
	s.relay.sessions.Go(func() {
		rejection, err := s.answered(u.ctx, update)
		s.mu.Lock()
		defer s.mu.Unlock()
		for name, e := range usable {
			if c.pending[name] != e {
				return // a server has sent something else meanwhile
			}
		}
		if err == nil && s.upstream == u {
			s.settle(c, rejection)
		}
	})
}

// follow takes note of whether the client accepts new content of secrets that it has. No server asks for that.
func (s *session) follow(u *upstream, names []string) {
	rejection, err := s.relay.answered(u.ctx, s.id, &client.Update{Type: xds.SecretType, Removed: names})
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return
	}
	if rejection != nil {
		s.log.Error("the client rejects the new content of a certificate's files", "error", rejection.Message)
		s.rejected[xds.SecretType] = rejection.Message
	} else if len(s.types[xds.SecretType].files.refused) == 0 {
		delete(s.rejected, xds.SecretType)
	}
}

// answered returns when the client has answered for everything in an update: nil when it accepted it, else why it
// is rejected, by the client or because files have no content for it.
func (s *session) answered(ctx context.Context, update *client.Update) (*xds.Rejection, error) {
	for {
		s.mu.Lock()
		problem, wait := s.types[update.Type].problem()
		s.mu.Unlock()
		switch {
		case problem != "":
			return &xds.Rejection{Message: problem}, nil
		case wait == nil:
			return s.relay.answered(ctx, s.id, update)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
