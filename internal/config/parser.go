package config

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Parser is [Parse] for a folder that is parsed repeatedly. The cost of a call is proportional to what has changed since
// the last call. Snapshots share the documents that did not change. A Parser is not safe for concurrent use.
type Parser struct {
	texts Texts  // the files in index
	index *index // nil before the first call
	valid *Documents
	work  work
}

// work counts what was done since the start, for tests.
type work struct{ decoded, checked int }

// Parse is the function [Parse].
func (p *Parser) Parse(texts Texts) (*Snapshot, Problems) {
	p.take(texts)
	if texts.Len() == 0 {
		return nil, Problems{{Origin: mesh.Origin{File: "."}, Message: "the folder holds no documents",
			Expected: "at least one file whose name ends in .yaml or .yml"}}
	}
	if problems := p.check(); problems != nil {
		problems.Sort()
		return nil, problems
	}
	docs := p.index.docs
	p.valid, p.index.changed = &docs, map[Key]bool{}
	return &Snapshot{docs, p.index.sum.revision(), Counts{docs.Services.Len(), docs.Edges.Len(), docs.Externals.Len()}}, nil
}

// take decodes the files that have changed, several at a time. Each is decoded by itself, so their order does not matter.
func (p *Parser) take(texts Texts) {
	if p.index == nil {
		p.index = newIndex()
	}
	changed := slices.Collect(texts.Changes(p.texts))
	type decodedFile struct {
		name string
		now  *file // nil if it was removed
	}
	fresh := make(chan decodedFile, len(changed))
	go concurrently(len(changed), func(i int) {
		f := decodedFile{name: changed[i]}
		if text, found := texts.Lookup(f.name); found {
			f.now = parseFile(f.name, []byte(text))
		}
		fresh <- f
	})
	for range changed {
		f := <-fresh
		p.index.set(f.name, f.now)
	}
	p.texts = texts
	p.work.decoded += len(changed)
}

// concurrently calls do with each number below n, on all processors, and returns when all calls have.
func concurrently(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

// parseFile decodes the documents of one file. It is pure.
func parseFile(name string, text []byte) *file {
	docs, problems := yamldoc.Read(name, text)
	f := &file{problems: problems}
	for _, doc := range docs {
		f.documents = append(f.documents, decode(doc))
	}
	return f
}

// check returns all problems of the files.
func (p *Parser) check() (problems Problems) {
	c := checker{docs: &p.index.docs, problems: &problems, broken: map[subject]bool{}, unread: map[string]bool{}}
	for _, f := range p.index.broken {
		problems = append(problems, f.problems...)
		for _, d := range f.documents {
			problems = append(problems, d.problems...)
			if !d.named() {
				c.unread[d.doc.Name] = true
			}
			if d.subject != nil {
				c.broken[d.subject] = d.problems != nil
			}
		}
	}
	for slot := range p.index.repeated {
		shared := p.index.named[slot]
		for _, d := range shared[1:] {
			c.exists(d, shared[0].header())
		}
	}
	extents, names := p.recheck()
	for _, d := range slices.SortedFunc(maps.Keys(extents), byPlace) { // the order decides which problems get a hint if there are many
		c.doc, c.only = d.doc, nil
		if extents[d] == references {
			c.only = names
		}
		d.check(&c)
	}
	p.work.checked += len(extents)
	return problems
}

// extent is how much of a document is to be checked.
type extent int

const (
	references extent = iota // to some names
	everything
)

// recheck returns the documents that have to be checked, and the names to which references have to be checked. A document
// that was valid in the last snapshot stays valid until it, a document that it refers to, or the Mesh changes.
func (p *Parser) recheck() (map[*decoded]extent, map[mesh.ServiceName]bool) {
	x, extents, names := p.index, map[*decoded]extent{}, map[mesh.ServiceName]bool{}
	slots := maps.Keys(x.changed)
	if p.valid == nil || !sameDocument(x.docs.Mesh, p.valid.Mesh) {
		slots = maps.Keys(x.named)
	}
	for slot := range slots {
		for _, d := range x.named[slot] {
			extents[d] = everything
		}
		name := mesh.ServiceName(slot.Name)
		if slot == ServiceKey(name) && p.valid != nil && !(x.docs.same(slot, p.valid) && x.docs.same(ExternalKey(name), p.valid)) {
			names[name] = true
		}
	}
	for _, f := range x.broken {
		for _, d := range f.documents {
			if d.subject != nil {
				extents[d] = everything
			}
		}
	}
	for name := range names {
		for d := range x.referrers[name] {
			if _, found := extents[d]; !found {
				extents[d] = references
			}
		}
	}
	return extents, names
}
