package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// fail answers a call with the HTTP status of the registry's error.
func fail(w http.ResponseWriter, err error) {
	var invalid registry.Invalid
	if errors.As(err, &invalid) {
		httpapi.Refuse(w, fromRegistry(invalid))
		return
	}
	refused := httpapi.Error{Error: err.Error()}
	status := http.StatusServiceUnavailable
	switch taken := new(registry.Taken); {
	case errors.As(err, &taken):
		status = http.StatusConflict
		refused.Hint = "an address belongs to one instance: give one of them another, or stop one"
	case errors.Is(err, registry.ErrLeft):
		status = http.StatusGone
		refused.Hint = "an instance that still runs asks for another one: POST .../incarnation"
	case errors.Is(err, registry.ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, registry.ErrSourced):
		status = http.StatusConflict
		refused.Hint = "remove it from its source"
	case errors.Is(err, registry.ErrOrders):
		status = http.StatusInsufficientStorage
		refused.Hint = fmt.Sprintf("at most %d are kept: GET /v1/maintenance lists them, and DELETE .../maintenance takes one back", registry.MaxOrders)
	case errors.Is(err, registry.ErrNoDoubt):
		status = http.StatusNotFound
		refused.Hint = "GET /v1/expiry lists where expiry is paused"
	case errors.Is(err, registry.ErrFull):
		status = http.StatusInsufficientStorage
		refused.Hint = "make room on the server's disk; known instances stay, and new ones are taken again by themselves once there is room"
	case errors.Is(err, registry.ErrStopped), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		refused.Hint = "try again in a few seconds, or another server"
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	httpapi.Write(w, status, refused)
}

func fromRegistry(found registry.Invalid) []httpapi.Problem {
	var problems []httpapi.Problem
	for _, p := range found {
		problems = append(problems, httpapi.Problem{Field: p.Field, Error: p.Got, Expected: p.Expected})
	}
	return problems
}

// refuse answers with 405 and the methods of the path.
func (m methods) refuse(w http.ResponseWriter, r *http.Request) {
	allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	w.Header().Set("Allow", allowed)
	httpapi.Write(w, http.StatusMethodNotAllowed, httpapi.Error{
		Error: fmt.Sprintf("%s has no method %s", r.URL.Path, r.Method),
		Hint:  "it has " + allowed,
	})
}

// nowhere answers with 404 if the path does not exist.
func nowhere(w http.ResponseWriter, r *http.Request) {
	httpapi.Write(w, http.StatusNotFound, httpapi.Error{
		Error: fmt.Sprintf("there is no %s", r.URL.Path),
		Hint:  "want /v1/instances, /v1/instances/SERVICE or /v1/instances/SERVICE/ADDRESS:PORT",
	})
}
