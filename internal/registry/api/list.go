package api

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// listing is what one call lists: all services, or one of them.
type listing struct {
	all      bool
	services func(*registry.Snapshot) []mesh.ServiceName
	version  func(*registry.Snapshot) uint64
	since    func(before, after *registry.Snapshot) iter.Seq[mesh.ServiceName] // whose instances differ
}

// listAll handles GET of all instances.
func (h *handler) listAll(w http.ResponseWriter, r *http.Request) {
	h.list(w, r, listing{
		all: true, services: (*registry.Snapshot).Services, version: (*registry.Snapshot).Sequence,
		since: func(before, after *registry.Snapshot) iter.Seq[mesh.ServiceName] { return after.Since(before) },
	})
}

// listService handles GET of the instances of one service. A service without instances has an empty list.
func (h *handler) listService(w http.ResponseWriter, r *http.Request) {
	service, problems := serviceIn(r)
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	only := []mesh.ServiceName{service}
	h.list(w, r, listing{
		services: func(*registry.Snapshot) []mesh.ServiceName { return only },
		version:  func(s *registry.Snapshot) uint64 { return s.Version(service) },
		since: func(before, after *registry.Snapshot) iter.Seq[mesh.ServiceName] {
			if before.Version(service) == after.Version(service) {
				return slices.Values[[]mesh.ServiceName](nil)
			}
			return slices.Values(only)
		},
	})
}

// list answers with the latest state, or with a stream if the call asks for one. With ?after=VERSION it waits until there is a newer one, and answers with 204
// if there is none in time. There is no queue of events: a client that was disconnected passes the version that it
// has and gets the latest state.
func (h *handler) list(w http.ResponseWriter, r *http.Request, what listing) {
	if wantsStream(r) {
		h.stream(w, r, what)
		return
	}
	values, wait, problems := watchIn(r)
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	snapshot := h.Registry.Snapshot()
	if values.Has("after") {
		snapshot = h.newer(r.Context(), values.Get("after"), wait, what)
	}
	if snapshot == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	httpapi.Write(w, http.StatusOK, Instances{h.versionOf(what, snapshot), h.collect(what, snapshot)})
}

// newer returns the first snapshot whose version is not after; nil when wait is over, or when the server shuts down.
func (h *handler) newer(ctx context.Context, after string, wait time.Duration, what listing) *registry.Snapshot {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		snapshot := h.Registry.Snapshot()
		if h.versionOf(what, snapshot) != after {
			return snapshot
		}
		select {
		case <-snapshot.Changed():
		case <-deadline.C:
			return nil
		case <-h.Registry.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *handler) versionOf(what listing, s *registry.Snapshot) string {
	return h.epoch + "." + strconv.FormatUint(what.version(s), 36)
}

// collect lists the instances with their current leases.
func (h *handler) collect(what listing, s *registry.Snapshot) []Instance {
	found := []Instance{}
	for _, service := range what.services(s) {
		for _, i := range s.Instances(service) {
			shown, ok := h.withLease(i)
			if !ok {
				continue
			}
			if h.ProxyGone != nil {
				shown.ProxyGone = h.ProxyGone(i)
			}
			found = append(found, shown)
		}
	}
	return found
}

// withLease returns an instance with its current lease; false if it left a moment ago.
func (h *handler) withLease(i *registry.Instance) (Instance, bool) {
	lease, ok := h.Registry.Lease(i.Key)
	return form(registry.Lease{Instance: i, Expires: lease.Expires}), ok
}
