//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// converged is nil once every server lists all instances as healthy and nothing else, all of them list the same, and
// every proxy is connected to one of them and has acknowledged all there is for it.
func (f *fleet) converged(ctx context.Context) error {
	for _, p := range f.instances() {
		if err := p.running(); err != nil {
			return err
		}
	}
	inSync := map[string]bool{}
	var lists []map[string]string
	for _, s := range f.servers {
		if err := s.running(); err != nil {
			return err
		}
		list, err := s.list(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		lists = append(lists, list)
		status, err := s.admin.Status(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, p := range status.Proxies {
			switch {
			case strings.HasPrefix(p.Node, watchPrefix):
			case p.Connected && !p.InSync:
				return fmt.Errorf("%s: %s is not in sync: %s", s.name, p.Node, p.Why)
			case p.Connected:
				inSync[p.Service+" at "+p.Client] = true
			}
		}
	}
	for i, list := range lists {
		if !maps.Equal(list, lists[0]) {
			return fmt.Errorf("%s and %s list different instances: %v, %v", f.servers[0].name, f.servers[i].name, lists[0], list)
		}
	}
	if want := len(f.instances()); len(lists[0]) != want {
		return fmt.Errorf("%d of %d instances are registered: %v", len(lists[0]), want, slices.Sorted(maps.Keys(lists[0])))
	}
	for key, state := range lists[0] {
		if state != string(registry.Healthy) {
			return fmt.Errorf("%s is %s", key, state)
		}
	}
	// Who needs configuration: the Envoys, and the one gRPC program that calls.
	if want := len(f.users) + len(f.callers); len(inSync) < want {
		return fmt.Errorf("%d of %d proxies are connected: %v", len(inSync), want, slices.Sorted(maps.Keys(inSync)))
	}
	return nil
}

// list is the state of each instance that the server knows.
func (s *server) list(ctx context.Context) (map[string]string, error) {
	answer, err := s.registry.Instances(ctx, "")
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	for _, i := range answer.Instances {
		list[fmt.Sprintf("%s at %v", i.Service, i.Address)] = string(i.State)
	}
	if len(list) != len(answer.Instances) {
		return nil, errors.New("an instance is listed twice")
	}
	return list, nil
}
