package control

import (
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
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
		for _, target := range targets(s) {
			if name := envoy.AssignmentName(target); !kept[name] {
				remove = append(remove, name)
			}
		}
	}
	return put, remove, nil
}

func serviceAssignments(s *config.Service, instances *registry.Snapshot) ([]*xds.Resource, error) {
	var made []*xds.Resource
	for _, target := range targets(s) {
		set := ir.EndpointSet{Target: target}
		for _, i := range instances.Instances(target.Name) {
			if e, ok := endpoint(i, target.Port, healthPort(s)); ok {
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

// targets are the ports of a service as callers name them: "" is the first.
func targets(s *config.Service) []ir.Target {
	var all []ir.Target
	for i, port := range s.Ports {
		target := ir.Target{Kind: ir.Service, Name: mesh.ServiceName(s.Name)}
		if i > 0 {
			target.Port = port.Name
		}
		all = append(all, target)
	}
	return all
}

// healthPort is the port that health checks ask, "" for the main one.
func healthPort(s *config.Service) mesh.PortName {
	if s.Health == nil || len(s.Ports) == 0 || s.Health.Port == s.Ports[0].Name {
		return ""
	}
	return s.Health.Port
}

// endpoint is one port of an instance. Instances that still start are none, and neither are those that
// did not check that port in.
func endpoint(i *registry.Instance, port, health mesh.PortName) (ir.Endpoint, bool) {
	address, ok := addressOf(i, port)
	if !ok || i.State == registry.Starting {
		return ir.Endpoint{}, false
	}
	e := ir.Endpoint{
		Address: address, Zone: i.Zone, Weight: i.Weight,
		Draining: i.State == registry.Draining, Identity: i.Identity,
	}
	if at, ok := addressOf(i, health); ok && at != address {
		e.HealthPort = int(at.Port())
	}
	return e, true
}

// addressOf is where callers reach a port of the instance.
func addressOf(i *registry.Instance, port mesh.PortName) (address netip.AddrPort, ok bool) {
	if port == "" {
		return i.Address, true
	}
	number, ok := i.Ports[port]
	return netip.AddrPortFrom(i.Address.Addr(), uint16(number)), ok
}
