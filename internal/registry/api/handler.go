package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// Options are the parts that the handler needs.
type Options struct {
	Registry *registry.Registry
	// Known reports whether a service has a manifest. A check-in for another one is
	// accepted with a warning: its manifest may arrive later. nil: all are known.
	Known func(mesh.ServiceName) bool
	// Unreached returns which callers cannot reach an instance where it is, and why; "" if all can. nil: all can.
	Unreached func(registry.Key) string
	// Manifest returns a text that changes with the service's manifest, "" if it has none, and a channel that closes
	// when that may be outdated. nil: manifests are unknown.
	Manifest func(mesh.ServiceName) (version string, changed <-chan struct{})
	// ProxyGone returns since when the proxy in front of an instance has not been connected; zero if it is connected
	// or nothing is known. nil: it never is.
	ProxyGone func(*registry.Instance) time.Time
	// Settled returns nil once every proxy that calls service has acknowledged the registry's snapshot at the time of
	// the call, and an error if ctx ends or if that cannot be known. nil: it can never be known.
	Settled func(ctx context.Context, service mesh.ServiceName) error
}

type handler struct {
	Options
	epoch   string        // begins every version: versions of another process are not valid here
	streams chan struct{} // has an element for each open stream
}

// Patterns returns the patterns under which to mount the handler in a mux.
func Patterns() []string {
	return []string{"/v1/instances", "/v1/instances/", "/v1/maintenance", "/v1/expiry", "/v1/services/{service}/expiry"}
}

// Handler returns the registry's HTTP API. Watches end when the registry's Run does, so that they do not delay the
// shutdown of a server.
func Handler(options Options) http.Handler {
	h := &handler{options, strconv.FormatInt(time.Now().UnixNano(), 36), make(chan struct{}, maxStreams)}
	mux := http.NewServeMux()
	for pattern, methods := range h.routes() {
		mux.Handle(pattern, methods)
	}
	mux.HandleFunc("/", nowhere)
	return mux
}

func (h *handler) routes() map[string]methods {
	return map[string]methods{
		"/v1/instances":           {http.MethodGet: h.listAll},
		"/v1/instances/{service}": {http.MethodGet: h.listService},
		"/v1/instances/{service}/{address}": {
			http.MethodGet:    h.show,
			http.MethodPut:    h.checkIn,
			http.MethodDelete: h.leave,
		},
		"/v1/instances/{service}/{address}/incarnation": {http.MethodPost: h.issue},
		"/v1/instances/{service}/{address}/renewal":     {http.MethodPost: h.renew},
		"/v1/instances/{service}/{address}/maintenance": {http.MethodPut: h.maintain, http.MethodDelete: h.resume},
		"/v1/maintenance":               {http.MethodGet: h.orders},
		"/v1/expiry":                    {http.MethodGet: h.doubts, http.MethodPost: h.decideAll},
		"/v1/services/{service}/expiry": {http.MethodPost: h.decide},
	}
}

// methods serves one path: a handler for each method that it has.
type methods map[string]http.HandlerFunc

// ServeHTTP answers with 405 if the path does not have the method (RFC 9110 section 15.5.6).
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve, found := m[method]
	if !found {
		m.refuse(w, r)
		return
	}
	serve(w, r)
}
