package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A table is held to a map: after every change it has the same, and tells the same differences.
func TestTableIsAMap(t *testing.T) {
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 7))
		model, current := map[string]string{}, emptyTable
		for step := range 25 {
			before, beforeModel := current, maps.Clone(model)
			var changes []change
			for range random.IntN(120) {
				name := fmt.Sprint(random.IntN(500))
				if random.IntN(3) == 0 {
					changes = append(changes, change{name: name})
					delete(model, name)
					continue
				}
				r := NewResource("t", name, fmt.Append(nil, step), ResourceOptions{})
				changes = append(changes, change{name: name, new: r})
				model[name] = string(r.Body())
			}
			current = current.with(changes)
			compareTable(t, current, model)
			compareChanges(t, before, current, beforeModel, model)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

func compareTable(t *testing.T, got *table, want map[string]string) {
	t.Helper()
	all := map[string]string{}
	last, sum := "", setSum{}
	for r := range got.all() {
		if r.name <= last {
			t.Errorf("%q comes after %q", r.name, last)
		}
		last, sum = r.name, sum.add(r)
		all[r.name] = string(r.body)
		if got.get(r.name) != r {
			t.Errorf("%q is not found", r.name)
		}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	if got.count != len(want) || got.sum != sum {
		t.Errorf("count %d, sum %v; want %d, %v", got.count, got.sum, len(want), sum)
	}
}

func compareChanges(t *testing.T, from, to *table, before, after map[string]string) {
	t.Helper()
	var want, got []string
	for name, body := range after {
		if before[name] != body {
			want = append(want, name+"="+body)
		}
	}
	for name := range before {
		if _, is := after[name]; !is {
			want = append(want, "-"+name)
		}
	}
	for ch := range from.changes(to) {
		if ch.new == nil {
			got = append(got, "-"+ch.name)
		} else {
			got = append(got, ch.name+"="+string(ch.new.body))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// One change copies one chunk: what the versions of a table share is not walked.
func TestTablesShare(t *testing.T) {
	var all []*Resource
	for i := range 1000 {
		all = append(all, NewResource("t", fmt.Sprintf("%04d", i), nil, ResourceOptions{}))
	}
	before := newTable(all)
	after := before.with([]change{{name: "0500", new: NewResource("t", "0500", []byte("x"), ResourceOptions{})}})
	shared := 0
	for i := range before.chunks {
		if &before.chunks[i][0] == &after.chunks[i][0] {
			shared++
		}
	}
	if shared != len(before.chunks)-1 {
		t.Errorf("%d of %d chunks are shared", shared, len(before.chunks))
	}
}
