package control

import (
	"errors"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

// assignments are the endpoint resources that may differ between two states, and the names of those
// that have no service any more. Every port of every service has one, empty without instances: a proxy
// waits for an assignment that does not exist, and not for one that is empty. One that cannot be encoded
// is an error, stays as it was, and keeps no other back.
func assignments(last, next *State) (put []*xds.Resource, remove []string, failed error) {
	if last.Documents != next.Documents {
		return allAssignments(last, next)
	}
	for service := range next.Instances.Since(last.Instances) {
		if s := next.Documents.Documents.Services[service]; s != nil {
			made, err := serviceAssignments(s, next.Instances)
			put, failed = append(put, made...), errors.Join(failed, err)
		}
	}
	return put, nil, failed
}

// allAssignments makes those of all services again. What comes out with equal bytes wakes nobody.
func allAssignments(last, next *State) (put []*xds.Resource, remove []string, failed error) {
	kept := map[string]bool{}
	for service, s := range next.Documents.Documents.Services {
		made, err := serviceAssignments(s, next.Instances)
		put, failed = append(put, made...), errors.Join(failed, err)
		for _, name := range next.assignmentsOf(service) {
			kept[name] = true
		}
	}
	if last.Documents == nil {
		return put, nil, failed
	}
	for service := range last.Documents.Documents.Services {
		for _, name := range last.assignmentsOf(service) {
			if !kept[name] {
				remove = append(remove, name)
			}
		}
	}
	return put, remove, failed
}

func serviceAssignments(s *config.Service, instances *registry.Snapshot) (made []*xds.Resource, failed error) {
	for _, port := range compile.ServedPortsOf(s) {
		set := ir.EndpointSet{Target: port.Target}
		for _, i := range instances.Instances(port.Target.Name) {
			if e, ok := endpoint(port, i); ok {
				set.Endpoints = append(set.Endpoints, e)
			}
		}
		r, err := envoy.Assignment(set)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		made = append(made, r)
	}
	return made, failed
}

// endpoint is one port of an instance. Instances that still start are none.
func endpoint(port compile.ServedPort, i *registry.Instance) (ir.Endpoint, bool) {
	e, ok := port.Endpoint(i.Address, i.Ports)
	e.Zone, e.Weight, e.Identity = i.Zone, i.Weight, i.Identity
	e.Draining, e.Unhealthy = i.State == registry.Draining, i.State == registry.Unhealthy
	return e, ok && i.State != registry.Starting
}
