package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Problem is one mistake in a document.
type Problem = yamldoc.Problem

// Problems are the mistakes of one folder, by file, line and column.
type Problems = yamldoc.Problems

// Duration is a time span in the form of time.ParseDuration.
type Duration = yamldoc.Duration

// Snapshot is one complete, valid set of documents. Immutable.
type Snapshot struct {
	Documents Documents
	Revision  mesh.Revision // the same for all sets in which the same is written, whatever their comments, order and files
	Counts    Counts
}

// Counts says how many documents of each kind a snapshot has.
type Counts struct {
	Services  int `json:"services"`
	Edges     int `json:"edges"`
	Externals int `json:"externals"`
}

// Load is Read and Parse. It returns a snapshot, or the problems that keep the files from being one,
// or the error that keeps them from being read.
func Load(fsys fs.FS) (*Snapshot, Problems, error) {
	files, err := Read(fsys)
	if err != nil {
		return nil, nil, err
	}
	s, problems := Parse(files)
	return s, problems, nil
}

// LoadDir is Load of a folder of this machine.
func LoadDir(dir string) (*Snapshot, Problems, error) {
	files, err := ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	s, problems := Parse(files)
	return s, problems, nil
}

// Parse turns the files of one folder into a snapshot. Where there is any problem there is no
// snapshot: documents lean on each other, and half of them may mean something else. It is pure: same
// files, same answer.
func Parse(files Files) (*Snapshot, Problems) { return new(Parser).Parse(files) }

// Parser is [Parse] for a folder that is parsed again and again: a file is decoded again only if its bytes differ
// from those of the last call, and snapshots share the documents of the others. Not for concurrent use.
type Parser struct {
	last   Files
	parsed map[string]file // of the files in last
	valid  *Documents      // of the last snapshot; nil before there was one
}

// recheck returns which documents are to be checked. A Service that was valid in the last snapshot stays so until it,
// what it calls or the Mesh changes. Documents of other kinds are few, and are always checked.
func (p *Parser) recheck(docs *Documents) func(subject) bool {
	changed := map[Key]bool{MeshKey(): true}
	if p.valid != nil {
		changed[MeshKey()] = false
		for _, key := range docs.ChangesSince(p.valid) {
			changed[key] = true
		}
	}
	return func(d subject) bool {
		s, ok := d.(*Service)
		if !ok || changed[MeshKey()] || docs.Services[mesh.ServiceName(s.Name)] != s || changed[ServiceKey(mesh.ServiceName(s.Name))] {
			return true
		}
		return slices.ContainsFunc(s.Calls, func(c Call) bool { return changed[ServiceKey(c.To)] || changed[ExternalKey(c.To)] })
	}
}

// decode returns the decoded files by name. It decodes several at once: each by itself, so that their order does not
// matter.
func (p *Parser) decode(files Files) map[string]file {
	next := make(map[string]file, len(files))
	var changed []string
	for name, text := range files {
		if had, ok := p.parsed[name]; ok && bytes.Equal(p.last[name], text) {
			next[name] = had
		} else {
			changed = append(changed, name)
		}
	}
	fresh := make([]file, len(changed))
	var at atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(changed)) {
		workers.Go(func() {
			for i := at.Add(1) - 1; i < int64(len(changed)); i = at.Add(1) - 1 {
				fresh[i] = parseFile(changed[i], files[changed[i]])
			}
		})
	}
	workers.Wait()
	for i, name := range changed {
		next[name] = fresh[i]
	}
	p.last, p.parsed = files, next
	return next
}

// Parse is the function [Parse]. The files must not be changed afterwards.
func (p *Parser) Parse(files Files) (*Snapshot, Problems) {
	var problems Problems
	parsed := p.decode(files)
	if len(files) == 0 {
		return nil, Problems{{Origin: mesh.Origin{File: "."}, Message: "the folder holds no documents",
			Expected: "at least one file whose name ends in .yaml or .yml"}}
	}
	docs := Documents{
		Services:  map[mesh.ServiceName]*Service{},
		Edges:     map[mesh.EdgeName]*Edge{},
		Externals: map[mesh.ServiceName]*External{},
	}
	c := checker{docs: &docs, problems: &problems, broken: map[subject]bool{}, unread: map[string]bool{}}
	var all []decoded
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := parsed[name]
		problems = append(problems, f.problems...)
		for _, d := range f.documents {
			problems = append(problems, d.problems...)
			if d.subject == nil || d.header().Name == "" {
				c.unread[d.doc.Name] = true
			}
			if d.subject == nil {
				continue
			}
			c.broken[d.subject] = d.problems != nil
			c.join(d)
			all = append(all, d)
		}
	}
	if docs.Mesh == nil {
		docs.Mesh = &Mesh{Header: Header{Kind: "Mesh", Version: 1}}
	}
	recheck := p.recheck(&docs)
	for _, d := range all {
		if recheck(d.subject) {
			c.doc = d.doc
			d.check(&c)
		}
	}
	if problems != nil {
		problems.Sort()
		return nil, problems
	}
	p.valid = &docs
	return &Snapshot{docs, revision(all), Counts{len(docs.Services), len(docs.Edges), len(docs.Externals)}}, nil
}

// file is one file, decoded by itself.
type file struct {
	documents []decoded
	problems  Problems // with the syntax
}

// parseFile decodes the documents of one file. It is pure, and what it returns is never changed.
func parseFile(name string, text []byte) file {
	docs, problems := yamldoc.Read(name, text)
	f := file{problems: problems}
	for _, doc := range docs {
		f.documents = append(f.documents, decode(doc))
	}
	return f
}

// revision hashes the digests of all documents, by kind and name.
func revision(all []decoded) mesh.Revision {
	slices.SortFunc(all, func(a, b decoded) int {
		return cmp.Or(strings.Compare(a.header().Kind, b.header().Kind), strings.Compare(a.header().Name, b.header().Name))
	})
	hash := sha256.New()
	for _, d := range all {
		hash.Write(d.digest[:])
	}
	return mesh.Revision(hex.EncodeToString(hash.Sum(nil)[:6]))
}
