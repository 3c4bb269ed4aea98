package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// index is a set of decoded files. It knows which of their documents have a name, share it or refer to it. The cost of a
// change of a file depends only on that file.
type index struct {
	files  map[string]*file
	broken map[string]*file // the files with problems

	docs      Documents          // if several documents share a slot, the first of them
	named     map[Key][]*decoded // by slot, ordered by position
	repeated  map[Key]bool       // slots with more than one document
	referrers map[mesh.ServiceName]map[*decoded]struct{}
	sum       sum
	changed   map[Key]bool // slots that have changed since this was cleared
}

func newIndex() *index {
	return &index{
		files: map[string]*file{}, broken: map[string]*file{}, docs: Documents{Mesh: noMesh},
		named: map[Key][]*decoded{}, repeated: map[Key]bool{},
		referrers: map[mesh.ServiceName]map[*decoded]struct{}{}, changed: map[Key]bool{},
	}
}

// file is one file, decoded by itself. Immutable.
type file struct {
	documents []*decoded
	problems  Problems // with the syntax
}

// broken reports whether anything is wrong with the file by itself.
func (f *file) broken() bool {
	return f.problems != nil || slices.ContainsFunc(f.documents, func(d *decoded) bool { return d.problems != nil || !d.named() })
}

// named reports whether the document has a name by which others can refer to it.
func (d *decoded) named() bool { return d.subject != nil && d.header().Name != "" }

// set replaces the file of that name; nil removes it.
func (x *index) set(name string, now *file) {
	if old := x.files[name]; old != nil {
		for _, d := range old.documents {
			x.remove(d)
		}
	}
	delete(x.files, name)
	delete(x.broken, name)
	if now == nil {
		return
	}
	x.files[name] = now
	if now.broken() {
		x.broken[name] = now
	}
	for _, d := range now.documents {
		x.add(d)
	}
}

func (x *index) add(d *decoded) {
	if !d.named() {
		return
	}
	x.sum = x.sum.add(d.digest)
	for _, name := range d.references() {
		if x.referrers[name] == nil {
			x.referrers[name] = map[*decoded]struct{}{}
		}
		x.referrers[name][d] = struct{}{}
	}
	all := append(slices.Clip(x.named[d.slot()]), d)
	slices.SortStableFunc(all, byPlace)
	x.share(d.slot(), all)
}

func (x *index) remove(d *decoded) {
	if !d.named() {
		return
	}
	x.sum = x.sum.remove(d.digest)
	for _, name := range d.references() {
		if delete(x.referrers[name], d); len(x.referrers[name]) == 0 {
			delete(x.referrers, name)
		}
	}
	others := slices.Clone(x.named[d.slot()])
	x.share(d.slot(), slices.DeleteFunc(others, func(other *decoded) bool { return other == d }))
}

// share makes the first of documents that share a slot the one that counts.
func (x *index) share(slot Key, all []*decoded) {
	if had := x.named[slot]; len(had) > 0 {
		had[0].removeFrom(&x.docs)
	}
	delete(x.named, slot)
	delete(x.repeated, slot)
	x.changed[slot] = true
	if len(all) == 0 {
		return
	}
	all[0].addTo(&x.docs)
	x.named[slot] = all
	if len(all) > 1 {
		x.repeated[slot] = true
	}
}

// byPlace orders documents by file name, and within a file by position.
func byPlace(a, b *decoded) int {
	x, y := a.header().Origin, b.header().Origin
	return cmp.Or(strings.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line))
}
