package xds

import (
	"fmt"
	"slices"
	"testing"
)

func TestSnapshotWith(t *testing.T) {
	a1, a2 := NewResource(ClusterType, "a", []byte("1"), ResourceOptions{}), NewResource(ClusterType, "a", []byte("2"), ResourceOptions{})
	b := NewResource(ClusterType, "b", []byte("1"), ResourceOptions{})
	route := NewResource(RouteType, "r", []byte("1"), ResourceOptions{})
	first := NewSnapshot(a1, b, route)

	next := first.With([]*Resource{a2}, []Ref{{ClusterType, "b"}, {RouteType, "r"}, {SecretType, "absent"}, {ClusterType, "a"}})
	if got := next.Resources(ClusterType); !slices.Equal(got, []*Resource{a2}) {
		t.Errorf("clusters %v", got)
	}
	if got := next.Types(); !slices.Equal(got, []string{ClusterType}) {
		t.Errorf("types %q", got)
	}
	if first.Get(Ref{ClusterType, "a"}) != a1 || first.Get(Ref{RouteType, "r"}) != route || len(first.Resources(ClusterType)) != 2 {
		t.Error("the snapshot it was made from is another")
	}

	var none *Snapshot
	if got := none.With([]*Resource{b}, []Ref{{ClusterType, "a"}}).Resources(ClusterType); !slices.Equal(got, []*Resource{b}) {
		t.Errorf("from none: %v", got)
	}
}

// Only what changed is another object, however large the snapshot.
func TestSnapshotWithSharesWhatDidNotChange(t *testing.T) {
	var all []*Resource
	for i := range 10_000 {
		all = append(all, NewResource(ClusterType, fmt.Sprint("cluster-", i), nil, ResourceOptions{}))
	}
	all = append(all, NewResource(RouteType, "r", nil, ResourceOptions{}))
	first := NewSnapshot(all...)
	next := first.With([]*Resource{NewResource(ClusterType, all[5000].name, []byte("new"), ResourceOptions{})}, nil)
	if first.table(RouteType) != next.table(RouteType) {
		t.Error("routes did not change, but are another table")
	}
	before, after, other := first.table(ClusterType), next.table(ClusterType), 0
	for i := range before.chunks {
		if &before.chunks[i][0] != &after.chunks[i][0] {
			other++
		}
	}
	if other != 1 {
		t.Errorf("%d of %d chunks were copied for one change", other, len(before.chunks))
	}
}
