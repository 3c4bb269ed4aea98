package relay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doyen-mesh/doyen/xds"
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
	message  string             // why the latest of them was rejected; "" when there is none
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

// problem is why secrets of an update have no content, "" when all have. While some have not been looked at, it returns
// a channel that closes when more are known.
func (c *collection) problem(p *pending) (problem string, wait <-chan struct{}) {
	if c.files == nil {
		return "", nil
	}
	var problems []string
	for _, o := range p.all {
		switch {
		case !c.looked(o.entry):
			return "", c.files.provided
		case o.files && !c.has(o.entry):
			problems = append(problems, fmt.Sprintf("secret %q: %v", o.name, c.files.contents[KeyOf(o.resource)].Problem))
		}
	}
	slices.Sort(problems)
	return strings.Join(problems, "; "), nil
}

// refuse undoes an update. Of its secrets that name files, it keeps those without content, or all if the client
// rejected them, until there is other content. It returns the names of those that the client does not have.
func (c *collection) refuse(p *pending) (absent []string) {
	problem, _ := c.problem(p)
	c.undo()
	for _, o := range p.all {
		if !o.files || problem != "" && c.has(o.entry) || c.accepted[o.name] == o.entry && c.has(o.entry) {
			continue
		}
		c.files.refused[o.name] = refusal{o.entry, c.served(o.entry)}
		if !c.has(o.entry) && !c.has(c.accepted[o.name]) {
			c.absent[o.name] = true
			absent = append(absent, o.name)
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
		if _, replaced := c.offered[name]; replaced || !e.files {
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
	for name, e := range c.offered {
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
	for _, entries := range []map[string]entry{c.accepted, c.offered} {
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
	if s.upstream != nil && !s.upstream.connected && c.pending == nil && len(p.usable) > 0 {
		s.offer(c, p.usable)
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

// offer gives the client secrets that a server sent earlier and that are usable by now, while no server can be asked for
// them again. The caller holds mu.
func (s *session) offer(c *collection, usable map[string]entry) {
	p := &pending{recheck: func() {}}
	for name, e := range usable {
		delete(c.absent, name)
		c.offered[name] = e
		p.all = append(p.all, offer{name, e})
	}
	p.offers = slices.Clone(p.all)
	c.pending = p
	c.change(usable)
	u := s.upstream
	s.relay.sessions.Go(func() { s.answer(u, c, p, nil) })
}

// follow takes note of whether the client accepts new content of secrets that it has. No server asks for that.
func (s *session) follow(u *upstream, names []string) {
	refs := make([]xds.Ref, len(names))
	for i, name := range names {
		refs[i] = xds.Ref{Type: xds.SecretType, Name: name}
	}
	answers, err := s.relay.server.WaitAnswered(u.ctx, s.id, refs...)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upstream != u {
		return
	}
	of := s.types[xds.SecretType].files
	for _, a := range answers {
		if a.Rejected != nil {
			s.log.Error("the client rejects the new content of a certificate's files", "error", a.Rejected.Message)
			of.message = a.Rejected.Message
			return
		}
	}
	of.settled()
}

// settled notes that the client has accepted something.
func (f *files) settled() {
	if len(f.refused) == 0 {
		f.message = ""
	}
}

// awaitContents waits until it is known what is in the files that an update names, and reports whether the client is to
// be asked: it is not when there is no content, for which the update is rejected on its behalf, or when the client went away.
func (s *session) awaitContents(u *upstream, c *collection, p *pending) bool {
	for {
		s.mu.Lock()
		problem, wait := c.problem(p)
		if problem != "" {
			p.rejection = &xds.Rejection{Message: problem}
		}
		s.mu.Unlock()
		if wait == nil {
			return problem == ""
		}
		select {
		case <-wait:
		case <-u.ctx.Done():
			return false
		}
	}
}

// settleFiles ends an update of secrets. When the client, or a file, does not let it be used, all of it is undone. The
// caller holds mu.
func (s *session) settleFiles(c *collection, p *pending) {
	if p.rejection == nil {
		c.files.settled()
		return
	}
	absent := c.refuse(p)
	s.publish(c.typeURL, c)
	s.relay.notFound(s.id, c.typeURL, absent)
	c.files.message = p.rejection.Message
}
