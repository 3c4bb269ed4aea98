package xds

import (
	"fmt"
	"testing"
)

// Who counts only does not pay for a list of all names.
func TestCallbackCost(t *testing.T) {
	const many = 1000
	names := make([]string, many)
	resources := make([]*Resource, many)
	for i := range many {
		names[i] = fmt.Sprintf("cluster-%04d", i)
		resources[i] = NewResource(ClusterType, names[i], nil, ResourceOptions{})
	}
	w := &watch{kind: kindOf(ClusterType), requested: requested{asked: names, wildcard: true}}
	all := &content{table: newTable(resources)}
	list := all.since(nothing(), true)
	total := 0
	for name, tell := range map[string]func(){
		"request": func() { total += requestInfo(&request{sameNames: true}, w).Names.Len() },
		"whole":   func() { total += responseInfo(&response{watch: w, whole: all, body: newBody(nil)}).Resources.Len() },
		"changes": func() { total += responseInfo(&response{watch: w, list: list, body: newBody(nil)}).Resources.Len() },
	} {
		if cost := testing.AllocsPerRun(100, tell); cost > 5 {
			t.Errorf("%s: %v allocations", name, cost)
		}
	}
	if total == 0 {
		t.Error("nothing was counted")
	}
}
