package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// checkIn handles PUT of one instance: 201 if it is new, else 200.
func (h *handler) checkIn(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	key, problems := keyIn(r)
	_, more := query(r, networkParameter)
	problems = append(problems, more...)
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	i, problems := decodeInstance(key, body)
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
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
	httpapi.Write(w, status, CheckedIn{form(grant.Lease), Duration(grant.RenewAfter), h.warning(grant)})
}

// renew handles POST of a renewal: a check-in that need not repeat the description. It answers with 404 if the instance
// is not registered, and 409 if it is in another version; then the caller checks in.
func (h *handler) renew(w http.ResponseWriter, r *http.Request) {
	body, ok := httpapi.Body(w, r)
	if !ok {
		return
	}
	key, problems := keyIn(r)
	values, inQuery := query(r, networkParameter, "incarnation", "sequence")
	incarnation, inIncarnation := incarnationIn(values)
	sequence, err := strconv.ParseUint(values.Get("sequence"), 10, 64)
	if err != nil {
		problems = append(problems, httpapi.Problem{Field: "?sequence", Error: fmt.Sprintf("%.40q is no whole number", values.Get("sequence")), Expected: "that of the last check-in"})
	}
	if string(body) != "{}" {
		problems = append(problems, httpapi.Problem{Field: "body", Error: fmt.Sprintf("%.40q has a description, or is no JSON", body), Expected: "{}"})
	}
	if problems = slices.Concat(problems, inQuery, inIncarnation); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	grant, registered, renewed := h.Registry.Renew(key, incarnation, sequence)
	switch {
	case renewed:
		httpapi.Write(w, http.StatusOK, Renewed{Duration(grant.RenewAfter), h.warning(grant)})
	case registered:
		path := strings.TrimSuffix(r.URL.Path, "/renewal")
		httpapi.Write(w, http.StatusConflict, httpapi.Error{Error: fmt.Sprintf("%v is registered in another version", key), Hint: "check in: PUT " + path})
	default:
		fail(w, fmt.Errorf("%v: %w", key, registry.ErrUnknown))
	}
}

// issue handles POST for a new incarnation. It changes nothing else.
func (h *handler) issue(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	_, problems := keyIn(r)
	_, more := query(r, networkParameter)
	problems = append(problems, more...)
	for _, m := range body {
		problems = append(problems, unknown(m.name, m.name, nil))
	}
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	httpapi.Write(w, http.StatusOK, Incarnation{h.Registry.Issue()})
}

// warning returns what is probably not intended; "" if there is nothing.
func (h *handler) warning(g registry.Grant) string {
	var warnings []string
	if h.Known != nil && !h.Known(g.Service) {
		warnings = append(warnings, fmt.Sprintf("service %q has no manifest: nobody can call it until it has one", g.Service))
	}
	if h.Unreached != nil {
		if why := h.Unreached(g.Instance.Key); why != "" {
			warnings = append(warnings, why)
		}
	}
	for _, d := range g.Displaced {
		warnings = append(warnings, fmt.Sprintf("address taken over from %v, incarnation %v: if that instance still runs, give one of them another address", d.Key, d.Incarnation))
	}
	if g.Rival != nil {
		warnings = append(warnings, fmt.Sprintf("another agent claims the same address, for %v, incarnation %v: give one of them another, or stop one", g.Rival.Key, g.Rival.Incarnation))
	}
	return strings.Join(warnings, "; ")
}

// show handles GET of one instance. With ?after=VERSION it waits until the instance, or its service's manifest,
// differs from that version. If the instance is removed meanwhile, it answers with 404 immediately.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	key, problems := keyIn(r)
	values, wait, more := watchIn(r, networkParameter)
	if problems = append(problems, more...); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		watched, found := h.Registry.Watch(key)
		if !found {
			fail(w, fmt.Errorf("%v: %w", key, registry.ErrUnknown))
			return
		}
		shown, manifestChanged := h.shown(watched)
		if !values.Has("after") || values.Get("after") != shown.Version {
			httpapi.Write(w, http.StatusOK, shown)
			return
		}
		select {
		case <-watched.Changed:
			continue
		case <-manifestChanged:
			continue
		case <-deadline.C:
		case <-h.Registry.Done():
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
}

// shown returns a watched instance in JSON form, and a channel that closes when its manifest may have changed.
func (h *handler) shown(watched registry.Watched) (Shown, <-chan struct{}) {
	var manifest string
	var changed <-chan struct{}
	if h.Manifest != nil {
		manifest, changed = h.Manifest(watched.Service)
	}
	version := h.epoch + "." + strconv.FormatUint(watched.Version, 36) + "." + manifest
	return Shown{form(watched.Lease), version, manifest}, changed
}

// leave handles DELETE of one instance. With ?wait= it answers when the callers' proxies have acknowledged that the
// instance is gone, or after that time.
func (h *handler) leave(w http.ResponseWriter, r *http.Request) {
	key, problems := keyIn(r)
	values, inQuery := query(r, "wait", "incarnation", networkParameter)
	wait, inWait := waitIn(values, 0)
	incarnation, inIncarnation := incarnationIn(values)
	if problems = slices.Concat(problems, inQuery, inWait, inIncarnation); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	if err := h.Registry.Leave(r.Context(), key, incarnation); err != nil {
		fail(w, unknownInstance(key, err))
		return
	}
	httpapi.Write(w, http.StatusOK, h.awaitAcknowledged(r.Context(), key.Service, wait))
}

// unknownInstance adds the key to the error that there is no such instance.
func unknownInstance(key registry.Key, err error) error {
	if errors.Is(err, registry.ErrUnknown) {
		return fmt.Errorf("%v: %w", key, err)
	}
	return err
}

// form returns the JSON form of a lease.
func form(l registry.Lease) Instance {
	if l.Source != "" {
		l.Expires = time.Time{}
	}
	return Instance{
		Source: l.Source, Service: l.Service, Network: l.Network, Address: l.Address, Ports: l.Ports, Zone: l.Zone, Tags: l.Tags, Weight: l.Weight,
		State: l.State, Reason: l.Reason, Lease: Duration(l.Instance.Lease), Identity: l.Identity, Proxy: l.Proxy,
		Incarnation: l.Incarnation, Sequence: l.Sequence, Expires: l.Expires.UTC(), Maintenance: maintenanceOf(l.Order),
	}
}
