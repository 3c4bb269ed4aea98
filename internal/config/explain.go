package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Explained is one setting of a call and how it was decided. Its JSON form is stable.
type Explained struct {
	Setting string `json:"setting"` // as in documents: retries.attempts
	Value   string `json:"value"`   // as in documents
	// By is what decided the value: built-in, mesh, service, external or call.
	By     string `json:"by"`
	Origin string `json:"origin,omitzero"` // file:line:column; "" for a built-in value
	// Bound is the most that the Mesh allows; "" if it sets no bound.
	Bound       string `json:"bound,omitzero"`
	BoundOrigin string `json:"boundOrigin,omitzero"`
	// Applies is false for a setting that has no meaning for the protocol, such as the timeout of tcp.
	Applies bool `json:"applies"`
}

// scope is a place that may decide settings, and what it is called.
type scope struct {
	name string
	*Traffic
}

// ExplainService explains the settings of calls to a Service or External, as its own document and the Mesh decide them.
// It reports false if there is no such document.
func (d *Documents) ExplainService(name mesh.ServiceName) ([]Explained, bool) {
	callee, ok := d.calleeScope(name)
	if !ok {
		return nil, false
	}
	return d.explain(name, callee), true
}

// ExplainCall explains the settings of the calls of one service to another, or to an External. It reports false if the
// manifest of from does not call to.
func (d *Documents) ExplainCall(from, to mesh.ServiceName) ([]Explained, bool) {
	caller := d.Services.Get(from)
	callee, ok := d.calleeScope(to)
	if caller == nil || !ok {
		return nil, false
	}
	for _, c := range caller.Calls {
		if c.To == to {
			return d.explain(to, scope{"call", c.Traffic}, callee), true
		}
	}
	return nil, false
}

func (d *Documents) calleeScope(name mesh.ServiceName) (scope, bool) {
	if s := d.Services.Get(name); s != nil {
		return scope{"service", s.Traffic}, true
	}
	if e := d.Externals.Get(name); e != nil {
		return scope{"external", e.Traffic}, true
	}
	return scope{}, false
}

// explain explains the settings of calls to a name; scopes go from the narrowest to the widest, without that of the
// mesh.
func (d *Documents) explain(to mesh.ServiceName, scopes ...scope) []Explained {
	scopes = append(scopes, scope{"mesh", d.Mesh.Defaults}, scope{"built-in", &builtIn})
	protocol, _, _ := d.Callee(to)
	var all []Explained
	for _, s := range settings {
		for _, scope := range scopes {
			v, decided, ok := s.in(scope.Traffic)
			if !ok {
				continue
			}
			e := Explained{Setting: s.Path, Value: s.format(v), By: scope.name, Origin: decided.String(), Applies: protocol != mesh.TCP || !s.requestsOnly}
			if limit, bounded := s.limit(&d.Mesh.Bounds); bounded {
				e.Bound, e.BoundOrigin = format(value(limit)), origin(limit).String()
			}
			all = append(all, e)
			break
		}
	}
	return all
}
