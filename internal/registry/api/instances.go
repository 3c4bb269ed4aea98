package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// checkIn is PUT of one instance: 201 when it is new, else 200.
func (h *handler) checkIn(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	key, problems := keyIn(r)
	_, more := query(r)
	problems = append(problems, more...)
	if len(problems) > 0 {
		refuseCall(w, problems)
		return
	}
	i, problems := decodeInstance(key, body)
	if len(problems) > 0 {
		refuseCall(w, problems)
		return
	}
	grant, err := h.Registry.CheckIn(r.Context(), i)
	if err != nil {
		fail(w, err)
		return
	}
	status := http.StatusOK
	if grant.Created {
		status = http.StatusCreated
	}
	answer(w, status, CheckedIn{form(grant.Lease), Duration(grant.RenewAfter), h.warning(key)})
}

// warning says that nobody will call the service yet; "" when it has a manifest.
func (h *handler) warning(key registry.Key) string {
	if h.Known == nil || h.Known(key.Service) {
		return ""
	}
	return fmt.Sprintf("service %q has no manifest: nobody can call it until it has one", key.Service)
}

// show is GET of one instance.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	key, problems := keyIn(r)
	_, more := query(r)
	if problems = append(problems, more...); len(problems) > 0 {
		refuseCall(w, problems)
		return
	}
	lease, found := h.Registry.Lease(key)
	if !found {
		fail(w, fmt.Errorf("%v: %w", key, registry.ErrUnknown))
		return
	}
	answer(w, http.StatusOK, form(lease))
}

// leave is DELETE of one instance. With ?wait= it answers when the callers' proxies have
// acknowledged that the instance is gone, or after that time.
func (h *handler) leave(w http.ResponseWriter, r *http.Request) {
	key, problems := keyIn(r)
	values, more := query(r, "wait")
	wait, evenMore := waitIn(values, 0)
	if problems = append(append(problems, more...), evenMore...); len(problems) > 0 {
		refuseCall(w, problems)
		return
	}
	if err := h.Registry.Leave(r.Context(), key); err != nil {
		if errors.Is(err, registry.ErrUnknown) {
			err = fmt.Errorf("%v: %w", key, err)
		}
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, h.settle(r.Context(), key.Service, wait))
}

// form is the JSON form of a lease.
func form(l registry.Lease) Instance {
	return Instance{
		Service: l.Service, Address: l.Address, Ports: l.Ports, Zone: l.Zone, Tags: l.Tags, Weight: l.Weight,
		State: l.State, Lease: Duration(l.Instance.Lease), Identity: l.Identity, Proxy: l.Proxy, Expires: l.Expires.UTC(),
	}
}
