package admin

import (
	"net/http"
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
	seen := proxyView{started: a.Started, views: a.Control, state: state, connected: a.XDS.Status(), left: a.Control.Gone()}
	status.Summary.Instances = countAll(state, a.Control.ProxyGone)
	status.Proxies, status.Summary.Proxies = seen.proxies()
	status.Findings = findings(status, unhealthy(state), seen.missingEdges(status.Proxies), time.Now())
	httpapi.Write(w, http.StatusOK, status)
}

func countAll(state *control.State, gone proxyGone) api.Instances {
	var all api.Instances
	if state.Instances == nil {
		return all
	}
	for _, service := range state.Instances.Services() {
		n := count(state.Instances.Instances(service), gone)
		all.Healthy, all.Unhealthy = all.Healthy+n.Healthy, all.Unhealthy+n.Unhealthy
		all.Starting, all.Draining = all.Starting+n.Starting, all.Draining+n.Draining
		all.Disconnected += n.Disconnected
	}
	return all
}

func nothingGone(*registry.Instance) time.Time { return time.Time{} }

// unhealthy returns the services all of whose instances fail their checks, by name, with the number of instances.
// Instances that start or drain do not count. Those whose proxy is gone count by the state that callers have.
func unhealthy(state *control.State) []serviceCount {
	if state.Instances == nil {
		return nil
	}
	var all []serviceCount
	for _, service := range state.Instances.Services() {
		if n := count(state.Instances.Instances(service), nothingGone); n.Healthy == 0 && n.Unhealthy > 0 {
			all = append(all, serviceCount{service, n.Unhealthy})
		}
	}
	return all
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
		for _, address := range d.Instances {
			shown[i].Instances = append(shown[i].Instances, address.String())
		}
	}
	return shown
}
