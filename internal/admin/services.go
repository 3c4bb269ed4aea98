package admin

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

func (a *admin) services(w http.ResponseWriter, _ *http.Request) {
	state := a.Control.State()
	all := api.Services{Services: []api.Service{}}
	for _, name := range slices.Sorted(state.Documents.Documents.Services.Keys()) {
		all.Services = append(all.Services, service(state, state.Documents.Documents.Services.Get(name), a.Control.ProxyGone))
	}
	httpapi.Write(w, http.StatusOK, all)
}

func (a *admin) service(w http.ResponseWriter, r *http.Request) {
	state := a.Control.State()
	s := state.Documents.Documents.Services.Get(mesh.ServiceName(r.PathValue("name")))
	if s == nil {
		httpapi.Write(w, http.StatusNotFound, httpapi.Error{
			Error: "service " + quote(r.PathValue("name")) + " has no manifest",
			Hint:  cmp.Or(suggest.DidYouMean(r.PathValue("name"), names(state.Documents.Documents.Services.Keys())), "doyen services lists those that have one"),
		})
		return
	}
	httpapi.Write(w, http.StatusOK, service(state, s, a.Control.ProxyGone))
}

// names returns the names of documents, sorted.
func names[K ~string](documents iter.Seq[K]) []string {
	var all []string
	for name := range documents {
		all = append(all, string(name))
	}
	slices.Sort(all)
	return all
}

// service returns a manifest in the form that the agent and people need, and counts its instances.
func service(state *control.State, s *config.Service, gone proxyGone) api.Service {
	shown := api.Service{
		Name: s.Name, Owner: s.Owner, Origin: s.Origin.String(),
		Ports: []api.Port{}, Health: health(s), Calls: []api.Call{},
		Instances: count(state.Instances.Instances(mesh.ServiceName(s.Name)), gone),
	}
	for _, p := range s.Ports {
		shown.Ports = append(shown.Ports, api.Port{Name: string(p.Name), Protocol: string(p.Protocol), Port: p.Port})
	}
	for _, c := range s.Calls {
		shown.Calls = append(shown.Calls, call(&state.Documents.Documents, c))
	}
	return shown
}

func health(s *config.Service) *api.Health {
	h := s.Health
	if h == nil {
		return nil
	}
	shown := &api.Health{
		Host: cmp.Or(h.Host, s.Name),
		HTTP: h.HTTP, GRPC: h.GRPC, TCP: h.TCP, Port: string(h.Port),
		Timeout: time.Duration(h.Timeout).String(),
	}
	if h.Interval != 0 {
		shown.Interval = time.Duration(h.Interval).String()
	}
	return shown
}

func call(docs *config.Documents, c config.Call) api.Call {
	protocol, _, _ := docs.Callee(c.To)
	return api.Call{To: string(c.To), Protocol: string(protocol), LocalPort: docs.LocalPort(c)}
}

// count counts instances by state. Those whose proxy is gone are counted separately, because what their agents said
// last does not hold any more.
func count(instances []*registry.Instance, gone proxyGone) api.Instances {
	var n api.Instances
	for _, i := range instances {
		state, _ := i.Condition()
		if state != registry.Maintenance && !gone(i).IsZero() {
			n.Disconnected++
		} else {
			*counter(&n, state)++
		}
	}
	return n
}

// counter returns the counter of the instances in a state.
func counter(n *api.Instances, state registry.State) *int {
	switch state {
	case registry.Starting:
		return &n.Starting
	case registry.Unhealthy:
		return &n.Unhealthy
	case registry.Draining:
		return &n.Draining
	case registry.Maintenance:
		return &n.Maintenance
	default:
		return &n.Healthy
	}
}

// proxyGone returns since when the proxy of an instance has not been connected, as [control.Control.ProxyGone] does.
type proxyGone func(*registry.Instance) time.Time
