// Package workload makes the resources that every server of a comparison serves, byte for byte the
// same, and says which resource a change touches. The load generator computes from it what each
// client must hold, so the servers never have to ship bodies to be checked.
//
// Its invariant: the same Shape gives the same bytes in every process.
package workload

import (
	"encoding/binary"
	"fmt"
)

// Type URLs of the two types that are served.
const (
	ClusterType    = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	AssignmentType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
)

// Shape is how much there is to serve, and to whom.
type Shape struct {
	Clusters  int // per view; as many assignments, one for each
	Endpoints int // per assignment
	// Views is the number of views that differ in every name and every byte; client i belongs to
	// view i modulo Views. 0 means one view for all.
	Views int
	// Subset makes each client subscribe to this many assignments of its own choice and to no
	// clusters. 0 means all clusters by wildcard, and all assignments by name.
	Subset int
	// Whole makes each change rewrite every assignment (of every view), not one.
	Whole bool
}

// ViewCount is the number of different views, at least one.
func (s Shape) ViewCount() int { return max(1, s.Views) }

// View is the view of a client, counted from 0.
func (s Shape) View(client int) int { return client % s.ViewCount() }

// Name is what cluster and assignment index of a view are called. The last four digits are the index.
func (s Shape) Name(view, index int) string {
	if s.Views == 0 {
		return fmt.Sprintf("cluster-%04d", index)
	}
	return fmt.Sprintf("view-%04d-cluster-%04d", view, index)
}

// Index is the inverse of Name; -1 when name was not made by it.
func Index(name []byte) int {
	if len(name) < digits {
		return -1
	}
	index := 0
	for _, c := range name[len(name)-digits:] {
		if c < '0' || c > '9' {
			return -1
		}
		index = index*10 + int(c-'0')
	}
	return index
}

const digits = 4

// Targets are the indices of the assignments that change sequence rewrites, in every view. Changes are
// counted from 1 and go round the assignments in order, unless each rewrites all.
func (s Shape) Targets(sequence uint32) []int {
	if !s.Whole {
		return []int{int(sequence-1) % s.Clusters}
	}
	all := make([]int, s.Clusters)
	for index := range all {
		all[index] = index
	}
	return all
}

// ChangesUpTo is how many of the changes 1 to sequence rewrote the assignment index.
func (s Shape) ChangesUpTo(index int, sequence uint32) int {
	if s.Whole {
		return int(sequence)
	}
	first := uint32(index) + 1
	if sequence < first {
		return 0
	}
	return int(sequence-first)/s.Clusters + 1
}

// Latest is the last of the changes 1 to sequence that rewrote the assignment index, 0 when none did.
func (s Shape) Latest(index int, sequence uint32) uint32 {
	if s.Whole {
		return sequence
	}
	n := s.ChangesUpTo(index, sequence)
	if n == 0 {
		return 0
	}
	return uint32(index) + 1 + uint32((n-1)*s.Clusters)
}

// Before is the change before sequence that rewrote the same assignments, 0 when there was none.
func (s Shape) Before(sequence uint32) uint32 {
	step := uint32(s.Clusters)
	if s.Whole {
		step = 1
	}
	if sequence <= step {
		return 0
	}
	return sequence - step
}

// weightBase is the weight of an assignment's locality before any change. Weights from 2^28 up are
// five bytes as a varint, so that every version of an assignment has the same length.
const weightBase = 1 << 28

// weightLength is the length of a weight on the wire.
const weightLength = 5

// Changed returns a copy of an assignment as it stands after the change sequence.
func Changed(assignment []byte, sequence uint32) []byte {
	changed := append([]byte(nil), assignment...)
	binary.PutUvarint(changed[len(changed)-weightLength:], uint64(weightBase+sequence))
	return changed
}

// Sequence is the change that an assignment's bytes came from, 0 when it was never changed.
func Sequence(assignment []byte) (sequence uint32, ok bool) {
	if len(assignment) < weightLength {
		return 0, false
	}
	weight, n := binary.Uvarint(assignment[len(assignment)-weightLength:])
	if n != weightLength || weight < weightBase {
		return 0, false
	}
	return uint32(weight - weightBase), true
}
