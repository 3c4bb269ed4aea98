//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
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
	var lists []map[string]api.Instance
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
		if !reflect.DeepEqual(list, lists[0]) {
			return fmt.Errorf("%s and %s list different instances: %v, %v", f.servers[0].name, f.servers[i].name, lists[0], list)
		}
	}
	if want := len(f.instances()); len(lists[0]) != want {
		return fmt.Errorf("%d of %d instances are registered: %v", len(lists[0]), want, slices.Sorted(maps.Keys(lists[0])))
	}
	for key, i := range lists[0] {
		if i.State != registry.Healthy {
			return fmt.Errorf("%s is %s", key, i.State)
		}
	}
	// Who needs configuration: the Envoys, and the one gRPC program that calls.
	if want := len(f.users) + len(f.callers); len(inSync) < want {
		return fmt.Errorf("%d of %d proxies are connected: %v", len(inSync), want, slices.Sorted(maps.Keys(inSync)))
	}
	return nil
}

// list is every instance that the server knows, without what each server finds out by itself.
func (s *server) list(ctx context.Context) (map[string]api.Instance, error) {
	answer, err := s.registry.Instances(ctx, "")
	if err != nil {
		return nil, err
	}
	list := map[string]api.Instance{}
	for _, i := range answer.Instances {
		i.Expires, i.ProxyGone = time.Time{}, time.Time{}
		list[fmt.Sprintf("%s at %v", i.Service, i.Address)] = i
	}
	if len(list) != len(answer.Instances) {
		return nil, errors.New("an instance is listed twice")
	}
	return list, nil
}
