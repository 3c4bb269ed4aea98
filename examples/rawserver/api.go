package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"net/url"

	"github.com/doyen-mesh/doyen/xds"
)

// api is the HTTP API. Each of its methods implements one row of the table in the package's comment.
type api struct {
	sets   *sets
	engine *xds.Server
}

func newAPI(s *sets, engine *xds.Server) http.Handler {
	a := &api{s, engine}
	mux := http.NewServeMux()
	mux.Handle("PUT /resources", forNode(a.put))
	mux.Handle("PATCH /resources", forNode(a.patch))
	mux.Handle("DELETE /resources", forNode(a.delete))
	mux.Handle("GET /resources", forNode(a.get))
	mux.Handle("GET /status", forNode(a.status))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("/v3/", engine.Handler())
	return mux
}

// refusal is an error of the caller, with its HTTP status.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string { return r.reason }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// forNode calls do with the node in the query, and answers with the error that do returns.
func forNode(do func(w http.ResponseWriter, r *http.Request, node string, query url.Values) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		switch {
		case err != nil:
			err = refuse(http.StatusBadRequest, "query: %v", err)
		case query.Get("node") == "":
			err = refuse(http.StatusBadRequest, "no node: want ?node=ID")
		default:
			err = do(w, r, query.Get("node"), query)
		}
		if err == nil {
			return
		}
		status := http.StatusInternalServerError
		if r, ok := err.(*refusal); ok {
			status = r.status
		}
		http.Error(w, err.Error(), status)
	})
}

func (a *api) put(w http.ResponseWriter, r *http.Request, node string, _ url.Values) error {
	resources, err := readBody(w, r)
	if err != nil {
		return err
	}
	a.sets.replace(node, resources)
	return nil
}

func (a *api) patch(w http.ResponseWriter, r *http.Request, node string, _ url.Values) error {
	resources, err := readBody(w, r)
	if err != nil {
		return err
	}
	a.sets.merge(node, resources)
	return nil
}

func (a *api) delete(_ http.ResponseWriter, _ *http.Request, node string, query url.Values) error {
	typeURL, name := query.Get("type"), query.Get("name")
	byType, byName := query.Has("type"), query.Has("name")
	switch {
	case byName && !byType:
		return refuse(http.StatusBadRequest, "name without type")
	case !byType:
		a.sets.drop(node)
		return nil
	}
	removed := a.sets.remove(node, func(r *xds.Resource) bool {
		return r.Type() == typeURL && (!byName || r.Name() == name)
	})
	switch {
	case removed:
		return nil
	case byName:
		return refuse(http.StatusNotFound, "node %q has no %q of type %q", node, name, typeURL)
	}
	return refuse(http.StatusNotFound, "node %q has nothing of type %q", node, typeURL)
}

func (a *api) get(w http.ResponseWriter, r *http.Request, node string, _ url.Values) error {
	return writeBody(w, r.Header.Values("Accept"), a.sets.get(node))
}

func (a *api) status(w http.ResponseWriter, _ *http.Request, node string, _ url.Values) error {
	w.Header().Set("Content-Type", contentJSON)
	return json.NewEncoder(w).Encode(statusOf(node, a.engine.NodeStatus(node)))
}
