package xds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCanonicalName(t *testing.T) {
	for name, want := range map[string]string{
		"a?z=1&k=2":                           "a?z=1&k=2", // opaque
		"xdstp://a/t/x":                       "xdstp://a/t/x",
		"xdstp://a/t/x?":                      "xdstp://a/t/x",
		"xdstp://a/t/x?k=1":                   "xdstp://a/t/x?k=1",
		"xdstp://a/t/x?z=1&k=2":               "xdstp://a/t/x?k=2&z=1",
		"xdstp://a/t/x?a-b=1&a=2":             "xdstp://a/t/x?a=2&a-b=1", // by key, not by the whole text
		"xdstp://a/t/x?z=1&k=2#entry=y,alt=z": "xdstp://a/t/x?k=2&z=1",
		"xdstp://a/t/x#entry=y?k=1":           "xdstp://a/t/x",
	} {
		if got := canonicalName(name); got != want {
			t.Errorf("canonicalName(%q) = %q, want %q", name, got, want)
		}
		if got := canonicalName(want); got != want {
			t.Errorf("canonicalName(%q) = %q, want it unchanged", want, got)
		}
		r := NewResource(ListenerType, name, nil, ResourceOptions{References: []Ref{{RouteType, name}}})
		if r.Name() != want || r.References()[0].Name != want {
			t.Errorf("a resource named %q, which refers to %q, is %q and refers to %q", name, name, r.Name(), r.References()[0].Name)
		}
	}
}

// Every exported function that takes a name takes it in any spelling.
func TestAnySpellingIsTaken(t *testing.T) {
	const published, asked = "xdstp://a/t/x?z=1&k=2", "xdstp://a/t/x?k=2&z=1#entry=y"
	r := NewResource(ListenerType, published, []byte("1"), ResourceOptions{})
	if got := NewSnapshot(r).Get(Ref{ListenerType, asked}); got != r {
		t.Errorf("Snapshot.Get: %v", got)
	}
	c := NewLinearCache(ListenerType)
	c.Put(r)
	if got := c.Get(asked); got != r {
		t.Errorf("LinearCache.Get: %v", got)
	}
	c.Delete(asked)
	if left := c.Resources(); len(left) != 0 {
		t.Errorf("LinearCache.Delete leaves %v", left)
	}
	if err := NewSnapshot(NewResource(RouteType, "r", nil, ResourceOptions{References: []Ref{{ListenerType, asked}}}), r).Check(nil); err != nil {
		t.Errorf("Snapshot.Check: %v", err)
	}
}

func TestListsOfNames(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 7))
	list := func() []string {
		var names []string
		for range random.IntN(8) {
			names = append(names, fmt.Sprint(random.IntN(10)))
		}
		return canonicalNames(names)
	}
	for range 500 {
		a, b := list(), list()
		var either, onlyA, onlyB []string
		for i := range 10 {
			name := fmt.Sprint(i)
			inA, inB := slices.Contains(a, name), slices.Contains(b, name)
			if inA || inB {
				either = append(either, name)
			}
			if inA && !inB {
				onlyA = append(onlyA, name)
			}
			if inB && !inA {
				onlyB = append(onlyB, name)
			}
		}
		if got := mergeNames(a, b); !slices.Equal(got, either) {
			t.Fatalf("mergeNames(%v, %v) = %v", a, b, got)
		}
		if got := without(a, b); !slices.Equal(got, onlyA) {
			t.Fatalf("without(%v, %v) = %v", a, b, got)
		}
		if added, dropped := differenceOf(a, b); !slices.Equal(added, onlyB) || !slices.Equal(dropped, onlyA) {
			t.Fatalf("differenceOf(%v, %v) = %v, %v", a, b, added, dropped)
		}
	}
}

func TestGlobsOf(t *testing.T) {
	for name, want := range map[string][]string{
		"a/b":                   nil,
		"xdstp://a":             nil,
		"xdstp://a/t":           nil,
		"xdstp://a/t/x":         {"xdstp://a/t/*"},
		"xdstp://a/t/d/e/x?k=1": {"xdstp://a/t/*?k=1", "xdstp://a/t/d/*?k=1", "xdstp://a/t/d/e/*?k=1"},
		"xdstp://a/t/x?k=b/c":   {"xdstp://a/t/*?k=b/c"},
	} {
		if diff := cmp.Diff(want, globsOf(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The index of further names is held to a walk over all resources, through random changes.
func TestNamedFindsAll(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 7))
	name := func() string {
		return fmt.Sprintf("xdstp://a/t/%d/%d/%d", random.IntN(3), random.IntN(3), random.IntN(20))
	}
	current := emptyTable
	for range 50 {
		var changes []change
		for range random.IntN(30) {
			ch := change{name: name()}
			if random.IntN(3) > 0 {
				ch.new = NewResource("t", ch.name, nil, ResourceOptions{Aliases: []string{fmt.Sprint("alias", random.IntN(5)), name()}})
			}
			changes = append(changes, ch)
		}
		current = current.with(changes)
		for _, asked := range []string{name(), "alias1", "alias", "xdstp://a/t/*", "xdstp://a/t/1/*", "xdstp://a/t/1/2/*", "xdstp://a/t/1/2"} {
			var want, got []string
			for r := range current.all() {
				if r.name == asked || slices.Contains(r.aliases, asked) || slices.Contains(globsOf(r.name), asked) {
					want = append(want, r.name)
				}
			}
			for r := range current.named(asked) {
				got = append(got, r.name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", asked, diff)
			}
			if (current.find(asked) != nil) != (len(want) > 0) {
				t.Fatalf("%s: found %v, want one of %v", asked, current.find(asked), want)
			}
		}
	}
	for r := range current.all() {
		current = current.with([]change{{name: r.name}})
	}
	if current.further != nil {
		t.Errorf("an empty table has an index of %d entries", current.further.count)
	}
}
