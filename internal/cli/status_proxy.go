package cli

import (
	"cmp"
	"strings"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// explain prints everything about the remaining proxies: one, unless several clients share a node ID.
func (r statusReport) explain() {
	for n, p := range r.Proxies {
		if n > 0 {
			r.blank()
		}
		r.explainProxy(p)
	}
}

func (r statusReport) explainProxy(p api.Proxy) {
	r.field("proxy", "%s", p.Node)
	switch {
	case p.Edge != "":
		r.field("edge", "%s", p.Edge)
	case p.Service != "":
		r.field("service", "%s", p.Service)
	}
	r.field("kind", "%s, zone %s", p.Kind, cmp.Or(p.Zone, "not set"))
	if p.Network != "" {
		r.field("network", "%s", p.Network)
	}
	if p.Connected {
		r.field("connected", "for %s, from %s", span(r.now.Sub(p.Since)), p.Client)
	} else {
		r.field("connected", "no")
	}
	r.field("state", "%s", r.state(p))
	r.field("revision", "%s", cmp.Or(p.Revision, "none"))
	if n := r.clients(p.Node); n > 1 {
		r.field("node ID", "%d clients use it: was an image or a bootstrap copied?", n)
	}
	if p.Why != "" {
		r.field("reason", "%s", strings.TrimSpace(p.Why))
	}
	for _, u := range p.Unreachable {
		r.blank()
		r.add("It cannot reach %s: %s (%s)", u.To, u.Why, u.Origin)
	}
	for _, n := range p.NotApplied {
		r.blank()
		r.add("It does not apply %s for %s: %s (%s)", n.Setting, n.To, n.Why, n.Origin)
	}
	r.types(p)
}

// types prints a table of a proxy's types of resources, and why each is not in sync.
func (r statusReport) types(p api.Proxy) {
	var rows [][]string
	for _, name := range typesOf([]api.Proxy{p}) {
		if t := p.Types[name]; t.Sent != "" || t.Acknowledged != "" || t.Rejected != nil || t.Held != nil {
			rows = append(rows, []string{name, cmp.Or(t.Acknowledged, "-"), cmp.Or(t.Sent, "-")})
		}
	}
	if rows == nil {
		return
	}
	r.blank()
	r.table([]string{"TYPE", "ACKNOWLEDGED", "SENT"}, rows)
	for _, name := range typesOf([]api.Proxy{p}) {
		r.typeDetails(name, p.Types[name])
	}
}

func (r statusReport) typeDetails(name string, t api.TypeStatus) {
	if t.Rejected != nil || t.Held != nil {
		r.blank()
	}
	if t.Rejected != nil {
		r.add("It rejected %s version %s%s: %s", name, t.Rejected.Version, r.since(t.Rejected.Time), strings.TrimSpace(t.Rejected.Message))
		for _, origin := range t.Rejected.Origins {
			r.add("    from %s", origin)
		}
	}
	for _, h := range t.Held {
		waits := cmp.Or(h.Reason, "it waits")
		if len(h.WaitsFor) > 0 {
			waits += ": " + some(h.WaitsFor, mostProblems)
		}
		r.add("%s is not sent yet%s: %s", h.Change, r.since(h.Since), waits)
	}
}
