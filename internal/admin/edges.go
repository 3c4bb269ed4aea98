package admin

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

// edges lists the Edge documents by name.
func (a *admin) edges(w http.ResponseWriter, _ *http.Request) {
	documents, all := a.Control.State().Documents.Documents, api.Edges{Edges: []api.Edge{}}
	for _, name := range slices.Sorted(documents.Edges.Keys()) {
		all.Edges = append(all.Edges, edge(documents.Edges.Get(name)))
	}
	httpapi.Write(w, http.StatusOK, all)
}

// edge returns what an agent must know before it runs an Envoy for an edge.
func (a *admin) edge(w http.ResponseWriter, r *http.Request) {
	e := a.Control.State().Documents.Documents.Edges.Get(mesh.EdgeName(r.PathValue("name")))
	if e == nil {
		httpapi.Write(w, http.StatusNotFound, httpapi.Error{
			Error: "edge " + quote(r.PathValue("name")) + " is in no document",
			Hint:  cmp.Or(suggest.DidYouMean(r.PathValue("name"), names(a.Control.State().Documents.Documents.Edges.Keys())), "add an Edge document of that name to the server's folder"),
		})
		return
	}
	httpapi.Write(w, http.StatusOK, edge(e))
}

func edge(e *config.Edge) api.Edge {
	shown := api.Edge{Name: e.Name, Owner: e.Owner, Origin: e.Origin.String(), Listeners: []api.Listener{}}
	for _, l := range e.Listeners {
		shown.Listeners = append(shown.Listeners, api.Listener{Name: l.Name, Address: l.Address, Port: l.Port, TLS: l.TLS != nil})
	}
	return shown
}
