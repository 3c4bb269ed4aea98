package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"reflect"
	"slices"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Snapshot is one complete, valid set of documents. Immutable.
type Snapshot struct {
	Documents Documents
	Revision  mesh.Revision // the same for all sets that say the same, whatever their comments, order and files
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
func Parse(files Files) (*Snapshot, Problems) {
	var problems Problems
	if len(files) == 0 {
		return nil, Problems{{Origin: mesh.Origin{File: "."}, Message: "the folder holds no documents",
			Expected: "at least one file whose name ends in .yaml or .yml"}}
	}
	docs := Documents{
		Services:  map[mesh.ServiceName]*Service{},
		Edges:     map[mesh.EdgeName]*Edge{},
		Externals: map[mesh.ServiceName]*External{},
	}
	c := checker{docs: &docs, broken: map[subject]bool{}, unread: map[string]bool{}}
	subjects := c.decode(files, &problems)
	if docs.Mesh == nil {
		docs.Mesh = &Mesh{Header: Header{Kind: "Mesh", Version: 1}}
	}
	for _, s := range subjects {
		c.doc = s.doc
		s.check(&c)
	}
	if problems != nil {
		problems.sort()
		return nil, problems
	}
	return &Snapshot{docs, revision(docs), Counts{len(docs.Services), len(docs.Edges), len(docs.Externals)}}, nil
}

// placed is a decoded document with its text.
type placed struct {
	subject
	doc *document
}

// decode reads all documents of all files, by file name.
func (c *checker) decode(files Files, problems *Problems) []placed {
	var subjects []placed
	fields := map[reflect.Type][]field{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, d := range documents(name, files[name], problems) {
			var s subject
			if d.root != nil {
				s = d.decode(fields)
			}
			if s == nil || s.header().Name == "" {
				c.unread[d.name] = true
			}
			if s == nil {
				continue
			}
			c.broken[s] = d.broken
			d.join(c.docs, s)
			subjects = append(subjects, placed{s, d})
		}
	}
	return subjects
}

// revision hashes the canonical form of the documents: their JSON, in which maps are sorted and
// places absent.
func revision(docs Documents) mesh.Revision {
	text, err := json.Marshal(docs)
	if err != nil {
		panic(err) // documents are plain values
	}
	sum := sha256.Sum256(text)
	return mesh.Revision(hex.EncodeToString(sum[:6]))
}
