package xds

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Subscriptions are held to a filter over all resources, through random publications and changes
// of what watches ask for: names, aliases and glob collections.
func TestSubscriptionsAreFilters(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 7))
		p := newPool(true)
		watches := make([]*watch, 4)
		for i := range watches {
			watches[i] = &watch{session: &session{waker: silentWaker{}}}
		}
		resourceName := func() string { return fmt.Sprintf("xdstp://a/t/%d/%d", random.IntN(3), random.IntN(10)) }
		asked := func() string {
			return []string{resourceName(), fmt.Sprint("alias", random.IntN(4)), fmt.Sprintf("xdstp://a/t/%d/*", random.IntN(3)), "xdstp://a/t/*"}[random.IntN(4)]
		}
		current := emptyTable
		for step := range 200 {
			if random.IntN(3) == 0 {
				name := resourceName()
				ch := change{name: name}
				if random.IntN(3) > 0 {
					ch.new = NewResource("t", name, fmt.Append(nil, step), ResourceOptions{Aliases: []string{fmt.Sprint("alias", random.IntN(4))}})
				}
				current = current.with([]change{ch})
				p.publish(map[string]*table{"t": current})
			}
			watcher := watches[random.IntN(len(watches))]
			changeNames(p, watcher, random, asked)
			checkSubscriptions(t, p, current, watches)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for _, watcher := range watches {
			for _, at := range slices.Clone(watcher.slot) {
				at.subscription.unsubscribe(watcher)
			}
		}
		c := p.collection("t")
		if len(c.index)+len(c.subscriptions)+len(c.wildcards)+p.subscribers > 0 {
			t.Errorf("when nobody subscribes there are %d names, %d subscriptions, %d wildcards, %d subscribers",
				len(c.index), len(c.subscriptions), len(c.wildcards), p.subscribers)
		}
	}
}

// changeNames lets a watch ask for a few more or fewer names, as a stream does.
func changeNames(p *pool, watcher *watch, random *rand.Rand, asked func() string) {
	var old *subscription
	names, wildcard := []string(nil), false
	if len(watcher.slot) > 0 {
		old = watcher.slot[0].subscription
		names, wildcard = slices.Clone(old.names), old.wildcard
	}
	for range random.IntN(3) {
		names = append(names, asked())
	}
	names = slices.DeleteFunc(names, func(string) bool { return random.IntN(4) == 0 })
	wildcard = wildcard != (random.IntN(10) == 0)
	names = canonicalNames(names)
	if old != nil && old.wildcard == wildcard && slices.Equal(old.names, names) {
		return
	}
	if s := p.subscribe("t", wildcard, names, watcher); old != nil && s != old {
		old.unsubscribe(watcher)
	}
}

func checkSubscriptions(t *testing.T, p *pool, current *table, watches []*watch) {
	t.Helper()
	bySet := map[string]*subscription{}
	for _, watcher := range watches {
		if len(watcher.slot) == 0 {
			continue
		}
		s := watcher.slot[0].subscription
		if !slices.Contains(s.watchers, watcher.slot[0]) || s.watchers[watcher.slot[0].index] != watcher.slot[0] {
			t.Errorf("a watch is not where it thinks it is")
		}
		set := fmt.Sprint(s.wildcard, s.names)
		if other := bySet[set]; other != nil && other != s {
			t.Errorf("two subscriptions to %s", set)
		}
		bySet[set] = s
		if s.key != subscriptionKey(s.wildcard, s.names) {
			t.Errorf("the key of %s is not that of its names", set)
		}
		var want, got []string
		for r := range current.all() {
			hit := s.wildcard || slices.Contains(s.names, r.name) || slices.ContainsFunc(r.aliases, func(a string) bool { return slices.Contains(s.names, a) }) ||
				slices.ContainsFunc(globsOf(r.name), func(g string) bool { return slices.Contains(s.names, g) })
			if hit {
				want = append(want, r.name+"="+r.version)
			}
			if hit != s.contains(r) {
				t.Errorf("%s contains %s: %v, want %v", set, r.name, s.contains(r), hit)
			}
		}
		for r := range s.content.all() {
			got = append(got, r.name+"="+r.version)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", set, diff)
		}
	}
	if n := p.collection("t").subscriptions; len(bySet) > 0 && countSubscriptions(n) != len(bySet) {
		t.Errorf("%d subscriptions for %d sets of names", countSubscriptions(n), len(bySet))
	}
}

func countSubscriptions(byKey map[uint64][]*subscription) int {
	n := 0
	for _, same := range byKey {
		n += len(same)
	}
	return n
}

// mergeContents is held to a map, through random changes of its contents.
func TestMergedContentsAreAMap(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		contents := []*content{nothing(), nothing(), nothing()}
		var merged *content
		var was []*content
		for step := range 20 {
			contents = slices.Clone(contents)
			for range random.IntN(3) {
				i := random.IntN(len(contents))
				var changes []change
				for range random.IntN(30) {
					ch := change{name: fmt.Sprint(random.IntN(100))}
					if random.IntN(3) > 0 {
						ch.new = NewResource("t", ch.name, fmt.Append(nil, i, step), ResourceOptions{})
					}
					changes = append(changes, ch)
				}
				contents[i] = &content{table: contents[i].with(changes), position: contents[i].position + 1}
			}
			if random.IntN(5) == 0 {
				merged = nil
			}
			merged, was = mergeContents(merged, was, contents), contents
			want, position := map[string]string{}, uint64(0)
			for _, c := range contents {
				position += c.position
				for r := range c.all() {
					want[r.name] = string(r.body)
				}
			}
			compareTable(t, merged.table, want)
			if merged.position != position {
				t.Errorf("position %d, want %d", merged.position, position)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}
