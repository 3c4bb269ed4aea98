package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// lag notes on p that one of its types is not in sync. A rejection is more important than a pending change. Of
// several types in the same state, the first is explained, and the oldest gives the time.
func lag(p *api.Proxy, name string, stream xds.StreamStatus, t xds.TypeStatus) {
	state, since := api.Pending, pendingSince(stream, t)
	if t.Rejected != nil {
		state, since = api.Rejected, t.Rejected.Time
	}
	switch {
	case p.State == "", p.State == api.Pending && state == api.Rejected:
		p.State, p.StateSince, p.Why = state, since, why(name, t)
	case p.State == state && (p.StateSince.IsZero() || since.Before(p.StateSince)):
		p.StateSince = since
	}
}

// pendingSince returns since when a type has waited for its client, or for a change of another type.
func pendingSince(stream xds.StreamStatus, t xds.TypeStatus) time.Time {
	since := t.SentAt
	for _, h := range t.Held {
		if since.IsZero() || h.Since.Before(since) {
			since = h.Since
		}
	}
	if since.IsZero() {
		return stream.Opened
	}
	return since
}

// maxNames is how many names of rejected resources are shown.
const maxNames = 16

// typeStatus describes one type. It computes origins only if something was rejected.
func typeStatus(t xds.TypeStatus, origins func() map[xds.Ref][]mesh.Origin) api.TypeStatus {
	s := api.TypeStatus{Sent: t.Sent, Acknowledged: t.Acknowledged}
	if r := t.Rejected; r != nil {
		s.Rejected = &api.Rejection{Message: r.Message, Version: r.Version, Time: r.Time, Names: r.Names[:min(len(r.Names), maxNames)]}
		for _, name := range r.Names {
			for _, origin := range origins()[xds.Ref{Type: r.Type, Name: name}] {
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
	switch {
	case h.Removal && h.Change.Name == "*":
		shown.Change = "removal of the " + typeName(h.Change.Type) + " that it had when it connected"
	case h.Removal:
		shown.Change = "removal of " + shown.Change
	}
	for _, ref := range h.WaitsFor {
		shown.WaitsFor = append(shown.WaitsFor, refName(ref))
	}
	return shown
}

// why returns one sentence on why a type is not in sync.
func why(name string, t xds.TypeStatus) string {
	switch {
	case t.Rejected != nil:
		keeps := "keeps the last one it accepted"
		if t.Acknowledged == "" {
			keeps = "has none yet"
		}
		return fmt.Sprintf("it rejected a change of its %s and %s: %s", name, keeps, strings.TrimSpace(t.Rejected.Message))
	case len(t.Held) > 0:
		h := hold(t.Held[0])
		if len(h.WaitsFor) == 0 {
			return h.Change + " " + h.Reason
		}
		return fmt.Sprintf("%s waits for %s", h.Change, strings.Join(h.WaitsFor, ", "))
	case t.Recovering:
		return fmt.Sprintf("it keeps the %s that it had when it connected, until instances have had time to check in with this server", name)
	case t.Sent == "":
		return fmt.Sprintf("no %s have been sent to it yet", name)
	default:
		return fmt.Sprintf("it has not acknowledged its newest %s yet", name)
	}
}

// typeNames are the common names of resource types, by the last part of their URL.
var typeNames = map[string]string{
	"Cluster":               "clusters",
	"ClusterLoadAssignment": "endpoints",
	"Listener":              "listeners",
	"RouteConfiguration":    "routes",
	"VirtualHost":           "virtualHosts",
	"Secret":                "secrets",
	"Runtime":               "runtime",
}

// typeName returns the name of a type; without a common name, the last part of its URL.
func typeName(typeURL string) string {
	last := typeURL[strings.LastIndexByte(typeURL, '.')+1:]
	return cmp.Or(typeNames[last], last)
}

// refName returns a reference in the form "cluster users".
func refName(r xds.Ref) string { return strings.TrimSuffix(typeName(r.Type), "s") + " " + r.Name }
