package persistent

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestLikeAMap changes a map at random. It holds what a Go map holds, each version stays as it was, and the changes
// between any two versions are those of the Go maps.
func TestLikeAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type version struct {
		got  Map[string, int]
		want map[string]int
	}
	versions := []version{{want: map[string]int{}}}
	for range 600 {
		last := versions[len(versions)-1]
		next := version{last.got, maps.Clone(last.want)}
		for range 1 + random.IntN(3) {
			key, value := strconv.Itoa(random.IntN(400)), random.IntN(3)
			if random.IntN(3) == 0 {
				next.got = next.got.Without(key)
				delete(next.want, key)
			} else {
				next.got = next.got.With(key, value)
				next.want[key] = value
			}
		}
		versions = append(versions, next)
	}
	for i, v := range versions {
		if got := maps.Collect(v.got.All()); !maps.Equal(got, v.want) || v.got.Len() != len(v.want) {
			t.Fatalf("version %d has %d entries, %v: want %v", i, v.got.Len(), got, v.want)
		}
		if keys := slices.Sorted(v.got.Keys()); !slices.Equal(keys, slices.Sorted(maps.Keys(v.want))) {
			t.Fatalf("version %d has the keys %v", i, keys)
		}
		key := strconv.Itoa(random.IntN(400))
		want, found := v.want[key]
		if got, has := v.got.Lookup(key); got != want || has != found || v.got.Has(key) != found || v.got.Get(key) != want {
			t.Fatalf("version %d: %s is %d, %v: want %d, %v", i, key, got, has, want, found)
		}
		old := versions[random.IntN(len(versions))]
		if got, want := slices.Sorted(v.got.Changes(old.got)), changesOf(old.want, v.want); !slices.Equal(got, want) {
			t.Fatalf("version %d: changes %v: want %v", i, got, want)
		}
	}
}

func changesOf(old, now map[string]int) (all []string) {
	for key := range now {
		if value, found := old[key]; !found || value != now[key] {
			all = append(all, key)
		}
	}
	for key := range old {
		if _, found := now[key]; !found {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

// TestSameHash puts more keys of one hash into a map than fit into a leaf.
func TestSameHash(t *testing.T) {
	var root *node[int, int]
	for key := range 3 * leafSize {
		root, _ = root.with(entry[int, int]{7, key, key}, 0)
	}
	for key := range 3 * leafSize {
		if value, found := root.lookup(7, 0, key); value != key || !found {
			t.Fatalf("key %d has the value %d, %v", key, value, found)
		}
		if root = root.without(7, 0, key); (root == nil) != (key == 3*leafSize-1) {
			t.Fatalf("after key %d is removed, the root is %v", key, root)
		}
	}
}

// TestCostFollowsChange counts the nodes that a version does not share with the one before, and those that a
// comparison looks at. Neither grows with the map, but for its depth.
func TestCostFollowsChange(t *testing.T) {
	for _, size := range []int{100, 100_000} {
		var m Map[string, int]
		for i := range size {
			m = m.With(strconv.Itoa(i), i)
		}
		next := m.With("50", -1)
		fresh := 0
		for old, now := m.root, next.root; now != nil && old != now; fresh++ {
			old, now = differing(old, now)
		}
		if fresh > 8 {
			t.Errorf("of %d entries: one change makes %d nodes", size, fresh)
		}
		if m.With("50", 50) != m || m.Without("none") != m {
			t.Errorf("of %d entries: a change that changes nothing makes nodes", size)
		}
		if allocs := testing.AllocsPerRun(10, func() {
			for range next.Changes(m) {
			}
		}); allocs > 30 {
			t.Errorf("of %d entries: a comparison makes %v allocations", size, allocs)
		}
	}
}

// differing are the children of two branches that differ; nil for leaves.
func differing(a, b *node[string, int]) (_, _ *node[string, int]) {
	for i := range branches {
		if a.children != nil && b.children != nil && a.children[i] != b.children[i] {
			return a.children[i], b.children[i]
		}
	}
	return nil, nil
}

func BenchmarkWith(b *testing.B) {
	var m Map[string, int]
	for i := range 5000 {
		m = m.With(strconv.Itoa(i), i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m = m.With(strconv.Itoa(i%5000), i)
	}
}
