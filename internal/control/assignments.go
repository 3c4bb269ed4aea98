package control

import (
	"errors"
	"slices"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

// assignments keeps the endpoint resources up to date. The loop owns it.
//
// Every port of every service of every live revision has an assignment, which is empty without instances: a proxy
// waits for an assignment that does not exist, but not for one that is empty.
type assignments struct {
	caches    []assignmentCache          // those that are filled
	zones     map[mesh.ZoneName]struct{} // that instances are in or were in
	gateways  ir.Gateways
	instances *registry.Snapshot
	services  map[mesh.ServiceName][]servedPort
	// outdated are the services that have a port which the accepted revision does not have.
	outdated map[mesh.ServiceName]struct{}
}

// servedPort is one port of a service, with the encoder of its assignment.
type servedPort struct {
	compile.ServedPort
	encoder *portEncoder
}

// portEncoder encodes the assignment of one port.
type portEncoder struct {
	*envoy.AssignmentEncoder
	instances []*registry.Instance // of which it was encoded last; shared, not to be changed
}

func newAssignments(anywhere *xds.LinearCache) *assignments {
	return &assignments{
		caches:   []assignmentCache{{LinearCache: anywhere}},
		zones:    map[mesh.ZoneName]struct{}{},
		services: map[mesh.ServiceName][]servedPort{}, outdated: map[mesh.ServiceName]struct{}{},
	}
}

// setInstances publishes the services whose instances have changed. An assignment that cannot be encoded is an error:
// it stays as it was, and does not delay others.
func (a *assignments) setInstances(instances *registry.Snapshot) error {
	var updated []servedPort
	var failed error
	for service := range instances.Since(a.instances) {
		ports, err := a.encode(a.services[service], instances.Instances(service))
		updated, failed = append(updated, ports...), errors.Join(failed, err)
	}
	a.instances = instances
	return errors.Join(failed, a.publish(updated, nil))
}

// setServices updates the ports of those services from the live revisions, of which the first is the accepted one,
// and publishes what has changed.
func (a *assignments) setServices(names []mesh.ServiceName, live []*config.Snapshot) error {
	var updated []servedPort
	var remove []string
	var failed error
	for _, name := range names {
		ports, outdated := a.portsOf(name, live)
		remove = append(remove, missing(a.services[name], ports)...)
		encoded, err := a.encode(changedPorts(a.services[name], ports), a.instances.Instances(name))
		updated, failed = append(updated, encoded...), errors.Join(failed, err)
		if a.services[name] = ports; len(ports) == 0 {
			delete(a.services, name)
		}
		if a.outdated[name] = struct{}{}; !outdated {
			delete(a.outdated, name)
		}
	}
	return errors.Join(failed, a.publish(updated, remove))
}

// publish puts the assignments of ports into all caches, and removes others.
func (a *assignments) publish(ports []servedPort, remove []string) (failed error) {
	for _, cache := range a.caches {
		put, err := a.made(ports, cache.viewer)
		failed = errors.Join(failed, err)
		cache.Update(put, remove)
	}
	return failed
}

// setGateways makes the assignments of all ports lead to other gateways.
func (a *assignments) setGateways(gateways ir.Gateways) error {
	a.gateways = gateways
	var all []servedPort
	for _, ports := range a.services {
		all = append(all, ports...)
	}
	return a.publish(all, nil)
}

// fill puts all assignments into new caches.
func (a *assignments) fill(caches []assignmentCache) (failed error) {
	for _, cache := range caches {
		var all []*xds.Resource
		for _, ports := range a.services {
			put, err := a.made(ports, cache.viewer)
			all, failed = append(all, put...), errors.Join(failed, err)
		}
		cache.Replace(all)
		a.caches = append(a.caches, cache)
	}
	return failed
}

// made returns the assignments of ports for clients at one place.
func (a *assignments) made(ports []servedPort, viewer ir.Viewer) (all []*xds.Resource, failed error) {
	for _, port := range ports {
		r, err := port.encoder.For(port.Placement(viewer, a.gateways))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		all = append(all, r)
	}
	return all, failed
}

// portsOf returns the ports that a service has in any of the live revisions, each as the first of them defines it,
// and whether the accepted revision lacks one. Ports that have not changed keep their encoders.
func (a *assignments) portsOf(name mesh.ServiceName, live []*config.Snapshot) (ports []servedPort, outdated bool) {
	for i, revision := range live {
		s := revision.Documents.Services.Get(name)
		if s == nil {
			continue
		}
		for _, port := range compile.ServedPortsOf(&revision.Documents, s) {
			if find(ports, port.Target) != nil {
				continue
			}
			outdated = outdated || i > 0
			if old := find(a.services[name], port.Target); old != nil && old.ServedPort == port {
				ports = append(ports, *old)
			} else {
				ports = append(ports, servedPort{port, &portEncoder{AssignmentEncoder: envoy.NewAssignmentEncoder(port.Target)}})
			}
		}
	}
	return ports, outdated
}

// prune removes the ports that no live revision has any more.
func (a *assignments) prune(live []*config.Snapshot) error {
	var names []mesh.ServiceName
	for name := range a.outdated {
		names = append(names, name)
	}
	return a.setServices(names, live)
}

func find(ports []servedPort, target ir.Target) *servedPort {
	for i := range ports {
		if ports[i].Target == target {
			return &ports[i]
		}
	}
	return nil
}

// missing returns the names of the assignments of ports that are in old and not in fresh.
func missing(old, fresh []servedPort) (names []string) {
	for _, port := range old {
		if find(fresh, port.Target) == nil {
			names = append(names, envoy.AssignmentName(port.Target))
		}
	}
	return names
}

// changedPorts returns the ports in fresh that are new or differ from those in old.
func changedPorts(old, fresh []servedPort) []servedPort {
	return slices.DeleteFunc(slices.Clone(fresh), func(port servedPort) bool {
		same := find(old, port.Target)
		return same != nil && same.encoder == port.encoder
	})
}

// encode updates the encoders of ports, and returns those that could be updated.
func (a *assignments) encode(ports []servedPort, instances []*registry.Instance) (updated []servedPort, failed error) {
	for _, port := range ports {
		removed, added := port.changes(instances)
		for _, e := range added {
			if _, known := a.zones[e.Zone]; e.Zone != "" && !known && len(a.zones) < maxZones {
				a.zones[e.Zone] = struct{}{}
			}
		}
		if err := port.encoder.Update(removed, added); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		updated = append(updated, port)
	}
	return updated, failed
}

// changes returns how the endpoints of instances differ from those that were encoded last. Both lists of instances are
// sorted by network and address, and share the instances that have not changed.
func (p servedPort) changes(instances []*registry.Instance) (removed, added []ir.Endpoint) {
	put := func(to *[]ir.Endpoint, i *registry.Instance) {
		if e, ok := endpoint(p.ServedPort, i); ok {
			*to = append(*to, e)
		}
	}
	old, now := p.encoder.instances, instances
	for len(old) > 0 && len(now) > 0 {
		if old[0] == now[0] {
			old, now = old[1:], now[1:]
			continue
		}
		order := old[0].Key.Compare(now[0].Key)
		if order <= 0 {
			put(&removed, old[0])
			old = old[1:]
		}
		if order >= 0 {
			put(&added, now[0])
			now = now[1:]
		}
	}
	for _, i := range old {
		put(&removed, i)
	}
	for _, i := range now {
		put(&added, i)
	}
	p.encoder.instances = instances
	return removed, added
}

// endpoint returns one port of an instance as an endpoint; false for an instance that is starting or in maintenance.
// Envoy would send requests to an endpoint that is marked when too few others are left.
func endpoint(port compile.ServedPort, i *registry.Instance) (ir.Endpoint, bool) {
	e, ok := port.Endpoint(i.Address, i.Ports)
	e.Network, e.Zone, e.Weight, e.Identity = i.Network, i.Zone, i.Weight, i.Identity
	state, _ := i.Condition()
	e.Draining, e.Unhealthy = state == registry.Draining, state == registry.Unhealthy
	return e, ok && state != registry.Starting && state != registry.Maintenance
}
