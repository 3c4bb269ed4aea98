package discovery

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// environment is the value of env, which clients show and do not interpret.
const environment = "production"

// hosts is the answer to a list.
type hosts struct {
	Service    string `json:"service,omitempty"`
	Repository string `json:"service_repo_name,omitempty"`
	Env        string `json:"env"`
	Hosts      []host `json:"hosts"`
}

// host is one instance.
type host struct {
	Service     string         `json:"service"`
	Address     string         `json:"ip_address"`
	Port        uint16         `json:"port"`
	Repository  string         `json:"service_repo_name"`
	Revision    string         `json:"revision"`
	LastCheckIn string         `json:"last_check_in"`
	Tags        map[string]any `json:"tags"`
}

// list handles GET of the hosts of a service: those that requests may be sent to, wherever they came from.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	service, ok := serviceIn(w, r)
	if !ok {
		return
	}
	answer := hosts{Service: string(service), Env: environment, Hosts: []host{}}
	for _, i := range h.Registry.Snapshot().Instances(service) {
		if listed(i) {
			answer.Hosts = append(answer.Hosts, h.shown(i))
		}
	}
	httpapi.Write(w, http.StatusOK, answer)
}

// listRepository handles GET of the hosts that run from a repository.
func (h *handler) listRepository(w http.ResponseWriter, r *http.Request) {
	answer := hosts{Repository: r.PathValue("repository"), Env: environment, Hosts: []host{}}
	snapshot := h.Registry.Snapshot()
	for _, service := range snapshot.Services() {
		for _, i := range snapshot.Instances(service) {
			if listed(i) && ours(i) && i.Tags[repositoryTag] == answer.Repository {
				answer.Hosts = append(answer.Hosts, h.shown(i))
			}
		}
	}
	httpapi.Write(w, http.StatusOK, answer)
}

// listed reports whether requests may be sent to i. Clients of this form know no states, and check health themselves.
func listed(i *registry.Instance) bool {
	state, _ := i.Condition()
	return i.Network == "" && (state == registry.Healthy || state == registry.Unhealthy)
}

func (h *handler) shown(i *registry.Instance) host {
	return host{
		Service: string(i.Service), Address: i.Address.Addr().String(), Port: i.Address.Port(),
		Repository: i.Tags[repositoryTag], Revision: i.Tags[revisionTag], LastCheckIn: h.lastCheckIn(i), Tags: shownTags(i),
	}
}

// shownTags returns the tags of i as clients expect them: with a zone and an identity also if i has an agent, and two
// of them not as text.
func shownTags(i *registry.Instance) map[string]any {
	region, zone := i.Zone.Split()
	shown := map[string]any{"az": zone, "region": region, "instance_id": cmp.Or(i.Proxy, i.Address.String())}
	for name, value := range i.Tags {
		weight, notANumber := strconv.Atoi(value)
		switch {
		case strings.HasPrefix(name, "doyen/"), strings.HasPrefix(name, "discovery/"):
		case name == "canary" && (strings.EqualFold(value, "true") || strings.EqualFold(value, "false")):
			shown[name] = strings.EqualFold(value, "true")
		case name == weightTag && notANumber == nil:
			shown[name] = weight
		default:
			shown[name] = value
		}
	}
	return shown
}
