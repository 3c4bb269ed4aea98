package xds

import "slices"

// mergeContents returns what contents of several pools have together; of two resources of one name
// that of the later content counts. before is what it returned for the contents was, nil when there
// is nothing to start from. It costs what changed, or else all but the largest content.
func mergeContents(before *content, was, contents []*content) *content {
	var changes []change
	changed := func(name string) {
		changes = append(changes, change{name: name, new: lastOf(contents, name)})
	}
	merged := &content{}
	if before != nil && len(was) == len(contents) {
		merged.table = before.table
		for i, c := range contents {
			for ch := range was[i].changes(c.table) {
				changed(ch.name)
			}
		}
	} else {
		largest := slices.MaxFunc(contents, func(a, b *content) int { return a.count - b.count })
		merged.table = largest.table
		for _, c := range contents {
			if c == largest {
				continue
			}
			for r := range c.all() {
				changed(r.name)
			}
		}
	}
	merged.table = merged.with(changes)
	for _, c := range contents {
		merged.position += c.position
		merged.undecided = mergeNames(merged.undecided, c.undecided)
	}
	return merged
}

// lastOf returns the resource of a name in the last content that has one.
func lastOf(contents []*content, name string) *Resource {
	for _, c := range slices.Backward(contents) {
		if r := c.get(name); r != nil {
			return r
		}
	}
	return nil
}
