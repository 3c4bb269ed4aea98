package control

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/report"
)

// keepUnused is how long a view without nodes stays compiled: long enough for a proxy to restart.
const keepUnused = 10 * time.Minute

// moveDelay is how long the views that nodes are to move to are collected. The engine looks at all streams each time,
// however many nodes move.
const moveDelay = 20 * time.Millisecond

// recoveryTime is how long after the start a returning proxy keeps endpoints that this server does not know. It is
// the default check-in interval, so that every instance has time to return, and some more for a busy machine. A proxy
// whose endpoints are known again, or were known at the start, does not wait.
const recoveryTime = registry.DefaultLease/registry.CheckInsPerLease + 15*time.Second

// loop is the state that changes while Run runs. One goroutine owns it.
type loop struct {
	*Control
	compiler    *compiler
	assignments *assignments
	revisions   *Revisions
	instances   *registry.Snapshot
	reports     *report.Snapshot
	zones       int // of assignments that viewers know
}

// Run publishes until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	l := c.newLoop()
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for range cap(l.compiler.done) {
		workers.Go(func() { l.compiler.work(ctx, c.caches) })
	}
	l.run(ctx)
	cancel()
	workers.Wait()
	return nil
}

func (c *Control) newLoop() *loop {
	return &loop{
		Control:     c,
		compiler:    newCompiler(c.views, c.snapshots, c.log),
		assignments: newAssignments(c.endpoints),
	}
}

func (l *loop) run(ctx context.Context) {
	sweep := time.NewTicker(keepUnused / 10)
	defer sweep.Stop()
	recovered := time.NewTimer(recoveryTime)
	defer recovered.Stop()
	documentsChanged := l.takeDocuments()
	close(l.ready)
	var moves <-chan time.Time // when nodes move to the views that they wait for
	for {
		jobs, next := l.compiler.next()
		select {
		case <-documentsChanged:
			documentsChanged = l.takeDocuments()
		case <-l.instances.Changed():
			l.takeInstances()
		case <-l.reports.Changed():
			l.takeReports()
		case <-l.views.asked:
			l.takeViews()
		case <-l.viewers.asked:
			l.takeViewers()
		case jobs <- next:
			l.compiler.started(next)
		case r := <-l.compiler.done:
			l.compiler.finish(r)
			if moves == nil && l.views.awaited(r.entry.use) {
				moves = time.After(moveDelay)
			}
		case <-moves:
			moves = nil
			l.snapshots.Reassign()
		case <-recovered.C:
			l.viewers.endRecovery()
		case <-sweep.C:
			l.sweep(time.Now().Add(-keepUnused))
		case <-ctx.Done():
			return
		}
		l.prune()
	}
}

// takeDocuments publishes the current live revisions. Ports that are added are published before any view that uses
// them, and ports that are removed go after the last view that used them.
func (l *loop) takeDocuments() (stale <-chan struct{}) {
	revisions, stale := l.inputs.Documents.Revisions()
	last := l.revisions
	l.revisions = revisions
	if last == nil {
		l.instances, l.reports = l.inputs.Instances.Snapshot(), l.inputs.Reports.Snapshot()
		l.assignments.instances = l.instances
		last = &Revisions{Accepted: &config.Snapshot{}}
	}
	accepted := revisions.Accepted
	if changed := accepted.Documents.ChangesSince(&last.Accepted.Documents); accepted != last.Accepted {
		affected := l.compiler.accept(accepted, changed)
		l.report(l.assignments.setServices(l.servicesAffected(changed), l.compiler.live()))
		l.followNetworks(changed, &last.Accepted.Documents)
		l.log.Info("publishing", "revision", accepted.Revision, "documents", len(changed), "views", affected)
	}
	l.views.revisions.Store(revisions)
	l.followZones()
	l.setState()
	if revisions.Pinned != nil || last.Pinned != nil {
		l.snapshots.Reassign()
	}
	return stale
}

// servicesAffected returns the services whose ports may be different after a change of documents: all of them, if the
// mesh's defaults are.
func (l *loop) servicesAffected(changed []config.Key) []mesh.ServiceName {
	if !slices.Contains(changed, config.MeshKey()) {
		return servicesOf(changed)
	}
	names := servicesOf(changed)
	return append(names, slices.Collect(l.revisions.Accepted.Documents.Services.Keys())...)
}

func servicesOf(keys []config.Key) (names []mesh.ServiceName) {
	for _, key := range keys {
		if key.Kind == "Service" {
			names = append(names, mesh.ServiceName(key.Name))
		}
	}
	return names
}

// takeInstances publishes the current endpoints.
func (l *loop) takeInstances() {
	l.instances = l.inputs.Instances.Snapshot()
	l.report(l.assignments.setInstances(l.instances))
	l.followZones()
	l.setState()
}

// takeViewers fills the assignments for places where there was no client before.
func (l *loop) takeViewers() { l.report(l.assignments.fill(l.viewers.takeAdded())) }

// followNetworks follows changes of the mesh's networks and gateways. Nodes move to the assignments for their network as
// the documents have it now.
func (l *loop) followNetworks(changed []config.Key, before *config.Documents) {
	now := &l.revisions.Accepted.Documents
	l.viewers.setDocuments(now)
	moved := false
	for _, key := range changed {
		switch key.Kind {
		case "Mesh":
			moved = moved || !slices.Equal(networksOf(now), networksOf(before))
			if gateways := compile.GatewaysOf(now.Mesh); !reflect.DeepEqual(gateways, l.assignments.gateways) {
				l.report(l.assignments.setGateways(gateways))
			}
		case "Edge":
			moved = moved || gatewayOf(now, key) != gatewayOf(before, key)
		}
	}
	if moved {
		l.fillForAll()
		l.source.Reassign()
	}
}

func networksOf(docs *config.Documents) (names []string) {
	if docs.Mesh == nil {
		return nil
	}
	for _, n := range docs.Mesh.Networks {
		names = append(names, n.Name)
	}
	return names
}

// gatewayOf returns the network that an edge is a gateway of, "" if it is none.
func gatewayOf(docs *config.Documents, key config.Key) string {
	if e := docs.Edges.Get(mesh.EdgeName(key.Name)); e != nil {
		return e.Gateway
	}
	return ""
}

// fillForAll makes the assignments for all connected nodes.
func (l *loop) fillForAll() {
	for _, n := range l.views.nodes() {
		l.viewers.cacheOf(n)
	}
	l.takeViewers()
}

// followZones moves clients in a zone that instances are in for the first time to the assignments for that zone, once
// these are filled.
func (l *loop) followZones() {
	if len(l.assignments.zones) == l.zones {
		return
	}
	l.zones = len(l.assignments.zones)
	l.viewers.know(l.assignments.zones)
	l.fillForAll()
	l.source.Reassign()
}

// takeReports publishes what proxies report in State. Nothing depends on it yet.
func (l *loop) takeReports() {
	l.reports = l.inputs.Reports.Snapshot()
	l.setState()
}

// takeViews adds the views that nodes have requested since the last call.
func (l *loop) takeViews() {
	for _, u := range l.views.takeAdded() {
		l.compiler.add(u)
		if pinned := u.pinned; pinned != nil && l.compiler.retained[pinned] == 1 {
			changed := pinned.Documents.ChangesSince(&l.revisions.Accepted.Documents)
			l.report(l.assignments.setServices(servicesOf(changed), l.compiler.live()))
		}
	}
}

func (l *loop) sweep(before time.Time) {
	for _, u := range l.views.sweep(before, l.State().ExpectedProxies()) {
		l.compiler.forget(u)
	}
}

// prune removes the endpoints of revisions that no view has any more.
func (l *loop) prune() {
	if l.compiler.dropped {
		l.compiler.dropped = false
		l.report(l.assignments.prune(l.compiler.live()))
	}
}

func (l *loop) report(err error) {
	if err != nil {
		l.log.Error("endpoints cannot be encoded", "error", err)
	}
}

func (l *loop) setState() {
	last := l.current.Load()
	l.current.Store(&State{
		Documents: l.revisions.Accepted, Instances: l.instances, Reports: l.reports, Shared: l.inputs.Shared, stale: make(chan struct{}),
	})
	close(last.stale)
}
