package api

import (
	"encoding/json"
	"net/http"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// maintain handles PUT of an operator's order to keep an instance out of service. With ?wait= it answers when the
// callers' proxies have acknowledged that, or after that time.
func (h *handler) maintain(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	reason, problems := decodeReason(body)
	h.order(w, r, true, reason, problems)
}

// resume handles DELETE of such an order.
func (h *handler) resume(w http.ResponseWriter, r *http.Request) { h.order(w, r, false, "", nil) }

func (h *handler) order(w http.ResponseWriter, r *http.Request, on bool, reason string, problems []httpapi.Problem) {
	key, inKey := keyIn(r)
	values, inQuery := query(r, "wait", networkParameter)
	wait, inWait := waitIn(values, 0)
	if problems = append(append(append(problems, inKey...), inQuery...), inWait...); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	if err := h.Registry.Maintain(r.Context(), key, on, reason); err != nil {
		fail(w, unknownInstance(key, err))
		return
	}
	httpapi.Write(w, http.StatusOK, h.awaitAcknowledged(r.Context(), key.Service, wait))
}

// orders handles GET of all orders in effect.
func (h *handler) orders(w http.ResponseWriter, r *http.Request) {
	if _, problems := query(r); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	snapshot := h.Registry.Snapshot()
	found := Orders{Orders: []Order{}}
	for _, o := range h.Registry.Orders() {
		found.Orders = append(found.Orders, Order{
			Service: o.Service, Network: o.Network, Address: o.Address, Reason: o.Reason, Registered: snapshot.Instance(o.Key) != nil,
		})
	}
	httpapi.Write(w, http.StatusOK, found)
}

// decodeReason decodes the body of PUT .../maintenance. People who meet the order must learn why it was given.
func decodeReason(body []member) (reason string, problems []httpapi.Problem) {
	const name, expected = "reason", `a string such as "new disk"`
	problems = []httpapi.Problem{{Field: name, Error: "it is missing", Expected: expected}}
	for _, m := range body {
		if m.name != name {
			return "", []httpapi.Problem{unknown(m.name, m.name, []string{name})}
		}
		problems = nil
		if json.Unmarshal(m.value, &reason) != nil || reason == "" {
			problems = []httpapi.Problem{{Field: name, Error: describe(m.value), Expected: expected}}
		}
	}
	return reason, problems
}

// maintenanceOf returns the order about an instance if it is in effect.
func maintenanceOf(o registry.Order) *Maintenance {
	if !o.On {
		return nil
	}
	return &Maintenance{o.Reason}
}
