package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

func (a *admin) status(w http.ResponseWriter, _ *http.Request) {
	state := a.Control.State()
	status := api.Status{
		Server:  api.Server{Version: a.Version, Started: a.Started},
		Config:  a.config(),
		Expiry:  doubts(a.Registry.Doubts()),
		Proxies: a.proxies(),
	}
	if state.Documents != nil {
		status.Server.Revision = string(state.Documents.Revision)
	}
	httpapi.Write(w, http.StatusOK, status)
}

func (a *admin) config() api.Config {
	s := a.Documents.State()
	c := api.Config{Folder: a.Documents.Folder(), Problems: problems(s.Problems)}
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

func doubts(all []registry.Doubt) []api.Doubt {
	shown := make([]api.Doubt, len(all))
	for i, d := range all {
		shown[i] = api.Doubt{Service: string(d.Service), Of: d.Of, Since: d.Since, Until: d.Until}
		for _, address := range d.Instances {
			shown[i].Instances = append(shown[i].Instances, address.String())
		}
	}
	return shown
}

// proxies are all nodes: those connected and those that left a short while ago.
func (a *admin) proxies() []api.Proxy {
	shown := []api.Proxy{}
	for _, n := range a.XDS.Status() {
		shown = append(shown, connected(a.Control, n))
	}
	for _, gone := range a.Control.Gone() {
		p := describe(a.Control, gone.Node)
		p.Since, p.InSync, p.Why = gone.At, false, "not connected; it keeps working with what it has"
		shown = append(shown, p)
	}
	slices.SortFunc(shown, func(a, b api.Proxy) int { return cmp.Compare(a.Node, b.Node) })
	return shown
}

// describe says who a node is, and which view it has.
func describe(c *control.Control, node *xds.Node) api.Proxy {
	p := api.Proxy{Node: node.ID, Types: map[string]api.TypeStatus{}}
	n, view, known, err := c.View(node)
	if err != nil {
		p.Why = "it is sent nothing: " + err.Error()
		return p
	}
	p.Role, p.Service, p.Edge, p.Zone, p.Kind = string(n.Role), string(n.Service), string(n.Edge), string(n.Zone), kind(n.Role)
	p.Revision, p.Unreachable = string(view.Revision), unreachable(view.Unreachable)
	switch {
	case !known:
		p.Why = "its configuration is being made"
	case view.Err != nil && view.Revision == "":
		p.Why = "it is sent nothing: " + view.Err.Error()
	case view.Err != nil:
		p.Why = fmt.Sprintf("it keeps revision %s: %v", view.Revision, view.Err)
	case view.Behind:
		p.Why = "its new configuration is being made"
	}
	return p
}

func unreachable(all []ir.Unreachable) []api.Unreachable {
	var shown []api.Unreachable
	for _, u := range all {
		shown = append(shown, api.Unreachable{To: u.Target.Hosts()[0], Why: u.Why, Origin: u.Origin.String()})
	}
	return shown
}

func kind(r mesh.Role) string {
	if r == mesh.Proxyless {
		return "grpc"
	}
	return "envoy"
}

func connected(c *control.Control, n xds.NodeStatus) api.Proxy {
	p := describe(c, n.Node)
	p.Connected, p.InSync = true, p.Why == ""
	origins := sync.OnceValue(func() map[xds.Ref]mesh.Origin { return c.Origins(n.Node) })
	for _, stream := range n.Streams {
		if p.Since.IsZero() || stream.Opened.Before(p.Since) {
			p.Since = stream.Opened
		}
		for typeURL, t := range stream.Types {
			name := typeName(typeURL)
			p.Types[name] = typeStatus(t, origins)
			if !t.InSync {
				p.InSync = false
				p.Why = cmp.Or(p.Why, why(name, t))
			}
		}
	}
	return p
}

// typeStatus describes one type. origins are asked for only where something was rejected.
func typeStatus(t xds.TypeStatus, origins func() map[xds.Ref]mesh.Origin) api.TypeStatus {
	s := api.TypeStatus{Sent: t.Sent, Acknowledged: t.Acknowledged}
	if r := t.Rejected; r != nil {
		s.Rejected = &api.Rejection{Message: r.Message, Version: r.Version, Time: r.Time}
		for _, name := range r.Names {
			if origin, ok := origins()[xds.Ref{Type: r.Type, Name: name}]; ok {
				s.Rejected.Origins = append(s.Rejected.Origins, origin.String())
			}
		}
		slices.Sort(s.Rejected.Origins)
		s.Rejected.Origins = slices.Compact(s.Rejected.Origins)
	}
	for _, h := range t.Held {
		s.Held = append(s.Held, hold(h))
	}
	return s
}

func hold(h xds.Hold) api.Hold {
	shown := api.Hold{Change: refName(h.Change), WaitsFor: []string{}, Since: h.Since, Reason: h.Reason}
	if h.Removal {
		shown.Change = "removal of " + shown.Change
	}
	for _, ref := range h.WaitsFor {
		shown.WaitsFor = append(shown.WaitsFor, refName(ref))
	}
	return shown
}

// why is one sentence on what keeps a type from being in sync.
func why(name string, t xds.TypeStatus) string {
	switch {
	case t.Rejected != nil:
		keeps := "keeps the last good one"
		if t.Acknowledged == "" {
			keeps = "has none yet"
		}
		return fmt.Sprintf("it refused a change of %s and %s: %s", name, keeps, strings.TrimSpace(t.Rejected.Message))
	case len(t.Held) > 0:
		h := hold(t.Held[0])
		waits := cmp.Or(strings.Join(h.WaitsFor, ", "), h.Reason)
		return fmt.Sprintf("%s waits for %s since %s", h.Change, waits, time.Since(h.Since).Round(time.Millisecond))
	case t.Sent == "":
		return fmt.Sprintf("there are no %s for it yet", name)
	default:
		return fmt.Sprintf("it has not acknowledged the newest %s yet", name)
	}
}

// typeNames are the words that people know for types of resources, by the last part of their URL.
var typeNames = map[string]string{
	"Cluster":               "clusters",
	"ClusterLoadAssignment": "endpoints",
	"Listener":              "listeners",
	"RouteConfiguration":    "routes",
	"VirtualHost":           "virtualHosts",
	"Secret":                "secrets",
	"Runtime":               "runtime",
}

// typeName is the word for a type; one that has none is called by the last part of its URL.
func typeName(typeURL string) string {
	last := typeURL[strings.LastIndexByte(typeURL, '.')+1:]
	return cmp.Or(typeNames[last], last)
}

// refName is "cluster users" for people.
func refName(r xds.Ref) string { return strings.TrimSuffix(typeName(r.Type), "s") + " " + r.Name }
