package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// resourceTypes are the keys of a proxy's types in the order in which people think of them; others follow.
var resourceTypes = [...]string{"listeners", "routes", "clusters", "endpoints"}

func (r statusReport) proxies(b *strings.Builder) {
	connected, inSync := 0, 0
	for _, p := range r.Proxies {
		if p.Connected {
			connected++
		}
		if p.Connected && p.InSync {
			inSync++
		}
	}
	if len(r.Proxies) == 0 {
		b.WriteString("proxies    none has connected yet: doyen agent and doyen edge start them\n")
		return
	}
	fmt.Fprintf(b, "proxies    %d connected, %d of them in sync\n", connected, inSync)
	b.WriteByte('\n')
	types := r.types()
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "PROXY\tKIND\tCONNECTED\tSTATE\tREVISION\t%s\n", strings.ToUpper(strings.Join(types, "\t")))
	for _, p := range r.Proxies {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s", p.Node, p.Kind, r.connection(p), state(p), cmp.Or(p.Revision, "-"))
		for _, t := range types {
			fmt.Fprintf(w, "\t%s", versions(p.Types[t]))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // into memory
	r.explain(b)
}

// types are the types of resource that any proxy has.
func (r statusReport) types() []string {
	types := resourceTypes[:]
	var others []string
	for _, p := range r.Proxies {
		for t := range p.Types {
			if !slices.Contains(types, t) && !slices.Contains(others, t) {
				others = append(others, t)
			}
		}
	}
	slices.Sort(others)
	return slices.Concat(types, others)
}

func (r statusReport) connection(p api.Proxy) string {
	since := ""
	if !p.Since.IsZero() {
		since = " " + span(r.now.Sub(p.Since))
	}
	if p.Connected {
		return "for" + since
	}
	return "NO, gone" + since
}

func state(p api.Proxy) string {
	switch {
	case !p.Connected:
		return "keeps what it had"
	case p.InSync:
		return "in sync"
	default:
		return "NOT IN SYNC"
	}
}

// versions says which version of a type a proxy has, and which was sent when that is another.
func versions(t api.TypeStatus) string {
	switch {
	case t.Sent == "" && t.Acknowledged == "":
		return "-"
	case t.Sent == t.Acknowledged:
		return t.Acknowledged
	case t.Rejected != nil:
		return fmt.Sprintf("%s (refused %s)", cmp.Or(t.Acknowledged, "none"), t.Rejected.Version)
	default:
		return fmt.Sprintf("%s (sent %s)", cmp.Or(t.Acknowledged, "none"), t.Sent)
	}
}

// explain says of each proxy what it cannot reach, and if it is not in sync why, and what it refused or waits for.
func (r statusReport) explain(b *strings.Builder) {
	for _, p := range r.Proxies {
		for _, u := range p.Unreachable {
			fmt.Fprintf(b, "\n%s cannot reach %s: %s\n    from %s\n", p.Node, u.To, u.Why, u.Origin)
		}
		if !p.Connected || p.InSync {
			continue
		}
		fmt.Fprintf(b, "\n%s is not in sync: %s\n", p.Node, cmp.Or(p.Why, "it has not acknowledged all that was sent"))
		for _, name := range r.types() {
			r.explainType(b, name, p.Types[name])
		}
	}
}

func (r statusReport) explainType(b *strings.Builder, name string, t api.TypeStatus) {
	if t.Rejected != nil {
		keeps := "keeps " + t.Acknowledged
		if t.Acknowledged == "" {
			keeps = "has none yet"
		}
		fmt.Fprintf(b, "  it refused %s%s, version %s, and %s: %s\n", name, r.past(t.Rejected.Time, " ", " ago"), t.Rejected.Version, keeps, strings.TrimSpace(t.Rejected.Message))
		for _, origin := range t.Rejected.Origins {
			fmt.Fprintf(b, "    from %s\n", origin)
		}
	}
	for _, h := range t.Held {
		fmt.Fprintf(b, "  %s is not sent yet%s: %s", h.Change, r.past(h.Since, ", ", " after the change"), cmp.Or(h.Reason, "it waits"))
		if len(h.WaitsFor) > 0 {
			fmt.Fprintf(b, " (waits for %s)", some(h.WaitsFor, 3))
		}
		b.WriteByte('\n')
	}
}

// past is how long ago t was, between the words given; "" when that is not known.
func (r statusReport) past(t time.Time, before, after string) string {
	if t.IsZero() {
		return ""
	}
	return before + span(r.now.Sub(t)) + after
}
