package admin

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// views knows the view of each node, as control.Control does.
type views interface {
	View(node *xds.Node) (n mesh.Node, view control.View, ok bool, err error)
	Origins(node *xds.Node) map[xds.Ref][]mesh.Origin // costs what compiling the view does
}

// proxyView is everything that is known about proxies at one moment.
type proxyView struct {
	started   time.Time // of this server, which knows of no connection before that
	views     views
	state     *control.State
	connected []xds.NodeStatus
	left      []control.Gone
	shown     *shown
}

// proxies returns the connected clients, the proxies that are expected and not connected, and those that left a short
// while ago, by node. Those that have not changed since the last answer are the same.
func (v proxyView) proxies() ([]*shownProxy, api.ProxySummary) {
	var sum api.ProxySummary
	all := make([]*shownProxy, 0, len(v.connected)+len(v.left))
	last, shown := v.shown.last(), make(map[proxyKey]*shownProxy, len(v.connected)+len(v.left))
	show := func(key proxyKey, p *shownProxy) {
		shown[key] = p
		if all = append(all, p); p.State == api.Missing {
			sum.Missing++
		}
	}
	for _, n := range v.connected {
		described := v.describe(n.Node)
		for _, streams := range byClient(n, described.Role == string(mesh.Proxyless)) {
			key := proxyKey{stream: streams[0].ID}
			p := last[key]
			if !p.is(&described, streams) {
				p = v.connectedProxy(described, n.Node, streams)
			}
			show(key, p)
			if sum.Connected++; p.InSync {
				sum.InSync++
			}
		}
	}
	expected := v.state.ExpectedProxies()
	for _, left := range v.left {
		if v.isConnected(left.Node.ID) {
			continue // it came back meanwhile
		}
		key, state := proxyKey{node: left.Node.ID}, api.Left
		if expected[left.Node.ID] {
			state = api.Missing
			delete(expected, left.Node.ID)
		}
		p := last[key]
		if !p.hasLeft(left.At, state) {
			p = v.leftProxy(left, state)
		}
		show(key, p)
	}
	for id := range expected {
		if !v.isConnected(id) {
			show(proxyKey{node: id}, &shownProxy{Proxy: v.neverSeen(id)})
		}
	}
	v.shown.keep(shown)
	sum.Missing += len(v.missingEdges(all))
	slices.SortFunc(all, func(a, b *shownProxy) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Client, b.Client))
	})
	return all, sum
}

// isConnected reports whether a node has an open stream.
func (v proxyView) isConnected(id string) bool {
	_, found := slices.BinarySearchFunc(v.connected, id, func(n xds.NodeStatus, id string) int { return cmp.Compare(n.Node.ID, id) })
	return found
}

// missingEdges returns the Edge documents that no connected proxy runs, by name; none if proxies may be connected to
// other servers.
func (v proxyView) missingEdges(proxies []*shownProxy) []mesh.EdgeName {
	if v.state.Documents == nil || v.state.Shared {
		return nil
	}
	served := map[string]bool{}
	for _, p := range proxies {
		if p.Edge != "" && p.Connected {
			served[p.Edge] = true
		}
	}
	var missing []mesh.EdgeName
	for _, name := range slices.Sorted(v.state.Documents.Documents.Edges.Keys()) {
		if !served[string(name)] {
			missing = append(missing, name)
		}
	}
	return missing
}

// leftProxy returns a proxy that has disconnected.
func (v proxyView) leftProxy(left control.Gone, state api.ProxyState) *shownProxy {
	p := v.describe(left.Node)
	p.State, p.StateSince, p.Since, p.Why = state, left.At, left.At, "it disconnected"
	if state == api.Missing {
		p.Why = "its instance is registered, but it is not connected"
	}
	return &shownProxy{Proxy: p}
}

// neverSeen returns an expected proxy that has not connected since the server started.
func (v proxyView) neverSeen(id string) api.Proxy {
	p := api.Proxy{
		Node: id, State: api.Missing, StateSince: v.started, Kind: kind(""), Types: noTypes,
		Why: "its instance is registered, but it has not connected since this server started",
	}
	// The node ID has the form that the agent gives it, unless the instance was checked in by other means.
	if role, rest, ok := strings.Cut(id, "/"); ok && mesh.Role(role) == mesh.Sidecar {
		p.Role = role
		p.Service, _, _ = strings.Cut(rest, "/")
	}
	return p
}

// byClient splits the streams of a node by the client that opened them, in the order in which they connected. Several
// clients have one node ID if a host's image, and with it a bootstrap, was copied. An Envoy opens its streams on one
// connection, so another connection is another Envoy. A gRPC program opens a connection for each channel, so only
// another host means another program.
func byClient(n xds.NodeStatus, wholeHost bool) [][]xds.StreamStatus {
	if len(n.Streams) == 1 {
		return [][]xds.StreamStatus{n.Streams}
	}
	type client struct {
		process int    // of an Envoy
		host    string // of a gRPC program
	}
	at := map[client]int{}
	var clients [][]xds.StreamStatus
	for _, s := range n.Streams {
		who := client{process: s.Process}
		if wholeHost {
			who = client{host: clientAddress(s.Peer, true)}
		}
		i, known := at[who]
		if !known {
			i = len(clients)
			at[who] = i
			clients = append(clients, nil)
		}
		clients[i] = append(clients[i], s)
	}
	return clients
}

func clientAddress(peer string, wholeHost bool) string {
	if address, err := netip.ParseAddrPort(peer); err == nil && wholeHost {
		return address.Addr().String()
	}
	return peer
}

// noTypes are those of a proxy that is not connected. Never changed.
var noTypes = map[string]api.TypeStatus{}

// describe returns the identity of a node and the state of its view.
func (v proxyView) describe(node *xds.Node) api.Proxy {
	p := api.Proxy{Node: node.ID, Kind: kind(""), Types: noTypes}
	n, view, known, err := v.views.View(node)
	if err != nil {
		p.State, p.Why = api.Unconfigured, "it is sent nothing: "+err.Error()
		return p
	}
	p.Role, p.Service, p.Edge, p.Kind = string(n.Role), string(n.Service), string(n.Edge), kind(n.Role)
	p.Zone, p.Network = string(n.Zone), string(n.Network)
	p.Revision, p.Unreachable = string(view.Revision), unreachable(view.Unreachable)
	p.NotApplied = notApplied(view.NotApplied)
	switch {
	case !known:
		p.State, p.Why = api.Pending, "its configuration is being compiled"
	case view.Err != nil && view.Revision == "":
		p.State, p.Why = api.Unconfigured, "it is sent nothing: "+view.Err.Error()
	case view.Err != nil:
		p.State, p.Why = api.Outdated, fmt.Sprintf("it keeps revision %s: %v", view.Revision, view.Err)
	case view.Behind:
		p.State, p.Why = api.Pending, "its new configuration is being compiled"
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

func notApplied(all []ir.NotApplied) []api.NotApplied {
	var shown []api.NotApplied
	for _, n := range all {
		shown = append(shown, api.NotApplied{To: n.Target.Hosts()[0], Setting: n.Setting, Why: n.Why, Origin: n.Origin.String()})
	}
	return shown
}

func kind(r mesh.Role) string {
	if r == mesh.Proxyless {
		return "grpc"
	}
	return "envoy"
}

// connectedProxy adds the streams of one client to the description of its node.
func (v proxyView) connectedProxy(p api.Proxy, node *xds.Node, streams []xds.StreamStatus) *shownProxy {
	shown := &shownProxy{revision: p.Revision, state: p.State, why: p.Why}
	if len(streams) == 1 {
		shown.version = streams[0].Version
	}
	p.Types = map[string]api.TypeStatus{}
	p.Connected, p.Client = true, clientAddress(streams[0].Peer, p.Kind == kind(mesh.Proxyless))
	origins := sync.OnceValue(func() map[xds.Ref][]mesh.Origin { return v.views.Origins(node) })
	for _, stream := range streams {
		if p.Since.IsZero() || stream.Opened.Before(p.Since) {
			p.Since = stream.Opened
		}
		for _, typeURL := range slices.Sorted(maps.Keys(stream.Types)) {
			t, name := stream.Types[typeURL], typeName(typeURL)
			p.Types[name] = typeStatus(t, origins)
			if !t.InSync {
				lag(&p, name, stream, t)
			}
		}
	}
	if p.State == "" {
		p.State, p.InSync = api.InSync, true
	} else if p.StateSince.IsZero() && p.State != api.Pending { // it is not known since when a view is compiled
		p.StateSince = p.Since
	}
	shown.Proxy = p
	return shown
}
