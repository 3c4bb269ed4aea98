package admin

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/source"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

func (a *admin) status(w http.ResponseWriter, _ *http.Request) {
	state := a.Control.State()
	status := api.Status{
		Server: api.Server{Version: a.Version, Started: a.Started},
		Config: documents(a.Documents.Folder(), a.Documents.State()),
		Expiry: pauses(a.Registry.Doubts()),
	}
	if state.Documents != nil {
		status.Server.Revision = string(state.Documents.Revision)
	}
	seen := proxyView{started: a.Started, views: a.Control, state: state, connected: a.XDS.Status(), left: a.Control.Gone(), shown: &a.shown}
	var failing []serviceCount
	status.Summary.Instances, failing = countAll(state, a.Control.ProxyGone)
	var proxies []*shownProxy
	proxies, status.Summary.Proxies = seen.proxies()
	if a.Store != nil {
		status.Store = a.Store()
	}
	if a.Listed != nil {
		status.InstancesFile = a.Listed()
	}
	status.Findings = findings(status, proxies, failing, seen.missingEdges(proxies), time.Now())
	body, err := encodeStatus(status, proxies)
	if err != nil {
		httpapi.Write(w, http.StatusInternalServerError, httpapi.Error{Error: err.Error()})
		return
	}
	httpapi.WriteEncoded(w, http.StatusOK, body)
}

// countAll counts all instances, and finds the services all of whose instances fail their checks, by name, with the
// number of instances. Instances that start or drain do not count for that. Those whose proxy is gone count by the state
// that callers have.
func countAll(state *control.State, gone proxyGone) (all api.Instances, unhealthy []serviceCount) {
	if state.Instances == nil {
		return all, nil
	}
	for service, tally := range state.Instances.Tallies() {
		for _, s := range registry.States {
			*counter(&all, s) += tally.Count(s)
		}
		for _, i := range tally.Proxied {
			if !gone(i).IsZero() {
				all.Disconnected++
				*counter(&all, i.State)--
			}
		}
		if failing := tally.Count(registry.Unhealthy); failing > 0 && tally.Count(registry.Healthy) == 0 {
			unhealthy = append(unhealthy, serviceCount{service, failing})
		}
	}
	slices.SortFunc(unhealthy, func(a, b serviceCount) int { return cmp.Compare(a.service, b.service) })
	return all, unhealthy
}

type serviceCount struct {
	service   mesh.ServiceName
	instances int
}

func documents(folder string, s source.State) api.Config {
	c := api.Config{Folder: folder, Problems: problems(s.Problems)}
	if s.Snapshot != nil {
		c.Revision, c.Since = string(s.Snapshot.Revision), s.Since
	}
	if s.Held != nil {
		c.Held = &api.Held{Revision: string(s.Held.Snapshot.Revision), Removes: s.Held.Removes, Reason: s.Held.Reason, Since: s.Held.Since}
	}
	if s.Err != nil {
		c.Error = s.Err.Error()
	}
	return c
}

func problems(all config.Problems) []api.Problem {
	shown := make([]api.Problem, len(all))
	for i, p := range all {
		shown[i] = api.Problem{
			File: p.Origin.File, Line: p.Origin.Line, Column: p.Origin.Column, Owner: p.Origin.Owner,
			Message: p.Message, Expected: p.Expected, Hint: p.Hint,
		}
	}
	return shown
}

func pauses(all []registry.Doubt) []api.Doubt {
	shown := make([]api.Doubt, len(all))
	for i, d := range all {
		shown[i] = api.Doubt{Service: string(d.Service), Of: d.Of, Since: d.Since, Until: d.Until}
		for _, socket := range d.Instances {
			shown[i].Instances = append(shown[i].Instances, socket.String())
		}
	}
	return shown
}
