package api

import (
	"encoding/json"
	"net/http"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// doubts handles GET of the pauses of expiry.
func (h *handler) doubts(w http.ResponseWriter, r *http.Request) {
	if _, problems := query(r); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	found := Doubts{Doubts: []Doubt{}}
	for _, d := range h.Registry.Doubts() {
		var instances []string
		for _, socket := range d.Instances {
			instances = append(instances, socket.String())
		}
		found.Doubts = append(found.Doubts, Doubt{
			Service: d.Service, Instances: instances, Of: d.Of, Mesh: d.Mesh, Since: d.Since.UTC(), Until: d.Until.UTC(),
		})
	}
	httpapi.Write(w, http.StatusOK, found)
}

// decide handles POST of a decision on the doubt about one service.
func (h *handler) decide(w http.ResponseWriter, r *http.Request) {
	service, problems := serviceIn(r)
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	h.end(w, r, service)
}

// decideAll handles POST of a decision on every doubt.
func (h *handler) decideAll(w http.ResponseWriter, r *http.Request) { h.end(w, r, "") }

func (h *handler) end(w http.ResponseWriter, r *http.Request, service mesh.ServiceName) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	decision, problems := decodeDecision(body)
	_, more := query(r)
	if problems = append(problems, more...); len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	n, err := h.Registry.Decide(r.Context(), service, decision)
	if err != nil {
		fail(w, err)
		return
	}
	httpapi.Write(w, http.StatusOK, Decided{n})
}

func decodeDecision(body []member) (registry.Decision, []httpapi.Problem) {
	const name, expected = "decision", `"expire" (they are dead) or "keep" (they live)`
	var decision registry.Decision
	problems := []httpapi.Problem{{Field: name, Error: "it is missing", Expected: expected}}
	for _, m := range body {
		if m.name != name {
			return "", []httpapi.Problem{unknown(m.name, m.name, []string{name})}
		}
		problems = nil
		if json.Unmarshal(m.value, &decision) != nil || decision != registry.Expire && decision != registry.Keep {
			problems = []httpapi.Problem{{Field: name, Error: describe(m.value), Expected: expected}}
		}
	}
	return decision, problems
}
