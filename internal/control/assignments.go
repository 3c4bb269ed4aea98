package control

import (
	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

// assignments are the endpoint resources that may differ between two states, and the names of those
// that have no service any more. Every port of every service has one, empty without instances: a proxy
// waits for an assignment that does not exist, and not for one that is empty.
func assignments(last, next *State) (put []*xds.Resource, remove []string, err error) {
	if last.Documents != next.Documents {
		return allAssignments(last, next)
	}
	for service := range next.Instances.Since(last.Instances) {
		if s := next.Documents.Documents.Services[service]; s != nil {
			made, err := serviceAssignments(s, next.Instances)
			if err != nil {
				return nil, nil, err
			}
			put = append(put, made...)
		}
	}
	return put, nil, nil
}

// allAssignments makes those of all services again. What comes out with equal bytes wakes nobody.
func allAssignments(last, next *State) (put []*xds.Resource, remove []string, err error) {
	kept := map[string]bool{}
	for _, s := range next.Documents.Documents.Services {
		made, err := serviceAssignments(s, next.Instances)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range made {
			kept[r.Name()] = true
		}
		put = append(put, made...)
	}
	if last.Documents == nil {
		return put, nil, nil
	}
	for _, s := range last.Documents.Documents.Services {
		for _, port := range compile.ServedPortsOf(s) {
			if name := envoy.AssignmentName(port.Target); !kept[name] {
				remove = append(remove, name)
			}
		}
	}
	return put, remove, nil
}

func serviceAssignments(s *config.Service, instances *registry.Snapshot) ([]*xds.Resource, error) {
	var made []*xds.Resource
	for _, port := range compile.ServedPortsOf(s) {
		set := ir.EndpointSet{Target: port.Target}
		for _, i := range instances.Instances(port.Target.Name) {
			if e, ok := endpoint(port, i); ok {
				set.Endpoints = append(set.Endpoints, e)
			}
		}
		r, err := envoy.Assignment(set)
		if err != nil {
			return nil, err
		}
		made = append(made, r)
	}
	return made, nil
}

// endpoint is one port of an instance. Instances that still start are none.
func endpoint(port compile.ServedPort, i *registry.Instance) (ir.Endpoint, bool) {
	e, ok := port.Endpoint(i.Address, i.Ports)
	e.Zone, e.Weight, e.Draining, e.Identity = i.Zone, i.Weight, i.State == registry.Draining, i.Identity
	return e, ok && i.State != registry.Starting
}
