package dnsserver

import (
	"context"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// store is a registry.Store that has instances and forgets changes.
type store []*registry.Instance

func stored(n int, state registry.State) store {
	var s store
	for i := range n {
		s = append(s, instance(i, state))
	}
	return s
}

func (s store) Load(context.Context) ([]registry.Change, error) {
	var all []registry.Change
	for _, i := range s {
		all = append(all, registry.Change{Key: i.Key, Instance: i})
	}
	return all, nil
}

func (s store) Save(context.Context, []registry.Change) error { return nil }
