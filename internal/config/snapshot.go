package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"slices"

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
	c := checker{docs: &docs, problems: &problems, broken: map[subject]bool{}, unread: map[string]bool{}}
	var all []decoded
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := parseFile(name, files[name])
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
	for _, d := range all {
		c.doc = d.doc
		d.check(&c)
	}
	if problems != nil {
		problems.Sort()
		return nil, problems
	}
	return &Snapshot{docs, revision(docs), Counts{len(docs.Services), len(docs.Edges), len(docs.Externals)}}, nil
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
