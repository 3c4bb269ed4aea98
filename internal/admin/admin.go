// Package admin is the server's HTTP interface: the API under /v1, health and readiness, metrics, and optionally
// profiles.
//
// It shows and forwards, and keeps no state of its own. Its one invariant: nothing changes state on GET or by a
// request from a web page of another origin (see guard).
package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config/source"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/xds"
)

// Options are the parts that the API shows. All are required except Store, Listed, Hosts and Profiles.
type Options struct {
	Version   string
	Started   time.Time
	Documents *source.Folder
	Registry  *registry.Registry
	Control   *control.Control
	XDS       *xds.Server
	Instances http.Handler // the registry's own API
	Metrics   http.Handler
	Store     func() *api.Store         // how sharing instances goes; nil, or a result of nil: they are not shared
	Listed    func() *api.InstancesFile // the file that lists instances; nil, or a result of nil: there is none
	Hosts     []string                  // names besides IP addresses and localhost under which the server may be called
	Profiles  bool                      // serve /debug/pprof/
}

type admin struct {
	Options
	shown shown
}

// Handler returns the handler for all of it.
func Handler(o Options) http.Handler {
	a := &admin{Options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", a.status)
	mux.HandleFunc("GET /v1/services", a.services)
	mux.HandleFunc("GET /v1/services/{name}", a.service)
	mux.HandleFunc("GET /v1/edges", a.edges)
	mux.HandleFunc("GET /v1/edges/{name}", a.edge)
	mux.HandleFunc("POST /v1/config/accept", a.accept)
	for _, pattern := range registryapi.Patterns() {
		mux.Handle(pattern, o.Instances)
	}
	mux.Handle("/v3/", o.XDS.Handler())
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.Write(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	if o.Profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	mux.Handle("/", nowhere(mux))
	return guard(o.Hosts, mux)
}

// nowhere handles requests that no other pattern of mux matches: 405 if the path has other methods (RFC 9110 section
// 15.5.6), else 404.
func nowhere(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var methods []string
		for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				methods = append(methods, method)
			}
		}
		if methods == nil {
			httpapi.Write(w, http.StatusNotFound, httpapi.Error{Error: "there is no " + r.URL.Path, Hint: "there are /v1/status, /v1/services, /v1/edges, /v1/instances, /healthz and /metrics"})
			return
		}
		allowed := strings.Join(methods, ", ")
		w.Header().Set("Allow", allowed)
		httpapi.Write(w, http.StatusMethodNotAllowed, httpapi.Error{Error: r.URL.Path + " has no method " + r.Method, Hint: "it has " + allowed})
	}
}

// accept lets a held change through by the name of its revision.
func (a *admin) accept(w http.ResponseWriter, r *http.Request) {
	var body api.Accept
	if !readJSON(w, r, &body, `send {"revision": "..."}`) {
		return
	}
	if err := a.Documents.Accept(mesh.Revision(body.Revision)); err != nil {
		httpapi.Write(w, http.StatusNotFound, httpapi.Error{Error: err.Error(), Hint: "doyen status shows what is held"})
		return
	}
	httpapi.Write(w, http.StatusOK, body)
}
