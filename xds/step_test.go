package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// A step is held to a map: up to the last change that was passed everything is new, then all is old.
func TestStepEndsBetweenTwoTables(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		model := map[string]string{}
		build := func(from *table, body string, n int) *table {
			var changes []change
			for range n {
				name := fmt.Sprint(random.IntN(1000))
				ch := change{name: name}
				if delete(model, name); random.IntN(3) > 0 {
					ch.new = NewResource("t", name, []byte(body), ResourceOptions{Aliases: []string{"a" + name}})
					model[name] = body
				}
				changes = append(changes, ch)
			}
			return from.with(changes)
		}
		from := build(emptyTable, "1", random.IntN(500))
		between := maps.Clone(model)
		to := build(from, "2", random.IntN(500))
		if random.IntN(4) == 0 {
			model = map[string]string{}
			to = build(emptyTable, "3", random.IntN(500))
		}
		step := from.stepTo(to)
		stop := random.IntN(400)
		for ch := range from.changes(to) {
			if stop--; stop < 0 {
				break
			}
			step.pass(ch)
			if delete(between, ch.name); ch.new != nil {
				between[ch.name] = string(ch.new.body)
			}
		}
		got := step.table()
		compareTable(t, got, between)
		for name := range between {
			if r := got.find("a" + name); r == nil || r.name != name {
				t.Errorf("the alias of %s finds %v", name, r)
			}
		}
		if stop >= 0 {
			compareTable(t, got, model)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
