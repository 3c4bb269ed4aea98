package config

import (
	"io/fs"

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

// Load is Read and Parse. It returns a snapshot, or the problems of the files, or the error if they cannot be read.
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

// Parse turns the files of one folder into a snapshot. If there is any problem, there is no snapshot, because documents
// depend on each other, and a part of them may mean something else. Parse is a pure function.
func Parse(files Files) (*Snapshot, Problems) { return new(Parser).Parse(files.Texts()) }
