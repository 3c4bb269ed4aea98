package control

import (
	"sync"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// Limits of the places that assignments are made for: clients say themselves where they are, and anyone can check in an
// instance in any zone.
const (
	maxViewers = 64
	maxZones   = 256
)

// viewers hold the assignments, once for each place at which clients are. Which of them a client gets is no part of its
// view, so zones multiply no clusters, listeners or routes. Streams read it, and the loop fills the caches.
//
// A client in a zone that no instance has ever been in gets what clients without a zone get, or those of its region: that is
// the same. So the number of caches does not grow with what clients say.
type viewers struct {
	asked chan struct{} // one slot: there is a cache to fill

	mu        sync.Mutex
	documents *config.Documents // accepted
	caches    map[ir.Viewer]*xds.LinearCache
	added     []assignmentCache // those that the loop has not filled
	zones     map[mesh.ZoneName]struct{}
	recovered bool
}

// assignmentCache is the assignments for clients at one place.
type assignmentCache struct {
	viewer ir.Viewer
	*xds.LinearCache
}

// newViewers returns viewers with one cache, which is filled: that of clients without a zone.
func newViewers() (_ *viewers, anywhere *xds.LinearCache) {
	anywhere = xds.NewLinearCacheWith(xds.EndpointType, xds.LinearCacheOptions{Recovering: true})
	return &viewers{
		asked:     make(chan struct{}, 1),
		documents: &config.Documents{Mesh: &config.Mesh{}},
		caches:    map[ir.Viewer]*xds.LinearCache{{}: anywhere},
		zones:     map[mesh.ZoneName]struct{}{},
	}, anywhere
}

// cacheOf returns the assignments for a node. If there are none yet, the loop is asked to fill them; until then the
// node's requests wait.
func (v *viewers) cacheOf(n mesh.Node) *xds.LinearCache {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := v.viewerOf(n)
	if cache := v.caches[at]; cache != nil {
		return cache
	}
	if at.Zone != "" && len(v.caches) >= maxViewers {
		at.Zone = "" // the number of networks is bounded
		if cache := v.caches[at]; cache != nil {
			return cache
		}
	}
	cache := xds.NewLinearCacheWith(xds.EndpointType, xds.LinearCacheOptions{Unfilled: true, Recovering: !v.recovered})
	v.caches[at] = cache
	v.added = append(v.added, assignmentCache{at, cache})
	select {
	case v.asked <- struct{}{}:
	default:
	}
	return cache
}

// viewerOf returns the place of a node, as far as it makes a difference. The caller holds mu.
func (v *viewers) viewerOf(n mesh.Node) ir.Viewer {
	at := compile.ViewerOf(v.documents, n)
	if _, known := v.zones[at.Zone]; known {
		return at
	}
	at.Zone = regionOf(at.Zone)
	if _, known := v.zones[at.Zone]; !known {
		at.Zone = ""
	}
	return at
}

// setDocuments makes documents those that say which networks there are, and where gateways are.
func (v *viewers) setDocuments(documents *config.Documents) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.documents = documents
}

// regionOf returns the region of a zone as a zone that no instance is in: "eu/". It is "" if the zone has none.
func regionOf(zone mesh.ZoneName) mesh.ZoneName {
	region, _ := zone.Split()
	if region == "" {
		return ""
	}
	return mesh.ZoneName(region + "/")
}

// know takes note of zones that instances are in.
func (v *viewers) know(zones map[mesh.ZoneName]struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for zone := range zones {
		for _, name := range []mesh.ZoneName{zone, regionOf(zone)} {
			if name != "" {
				v.zones[name] = struct{}{}
			}
		}
	}
}

// takeAdded returns the caches to fill.
func (v *viewers) takeAdded() []assignmentCache {
	v.mu.Lock()
	defer v.mu.Unlock()
	added := v.added
	v.added = nil
	return added
}

// endRecovery ends the recovery of all caches.
func (v *viewers) endRecovery() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.recovered = true
	for _, cache := range v.caches {
		cache.Recovered()
	}
}
