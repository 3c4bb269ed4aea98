package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// How much of a long list is shown.
const (
	mostProblems = 5
	mostOfKind   = 5  // of findings of one kind
	mostProxies  = 50 // beyond which those in sync are left out
)

// statusReport writes a status for a person.
type statusReport struct {
	api.Status
	*page
	address string // of the server
	now     time.Time
	wide    bool // all rows and columns
}

// overview prints the whole mesh: first what is wrong, then the rest.
func (r statusReport) overview() {
	r.field("server", "%s, doyen %s, up %s", r.address, r.Server.Version, span(r.now.Sub(r.Server.Started)))
	folder := ""
	if r.Config.Folder != "" {
		folder = ", from " + r.Config.Folder
	}
	r.field("documents", "revision %s is in force%s", r.Config.Revision, folder)
	r.field("instances", "%s", instanceCounts(r.Summary.Instances))
	r.field("proxies", "%s", r.proxyCounts())
	if s := r.Store; s != nil {
		r.field("store", "%s", r.store(s))
	}
	r.findings()
	r.notes()
	r.proxies()
}

// store describes the store in which servers share instances.
func (r statusReport) store(s *api.Store) string {
	text := s.Address + ", connected"
	if !s.Connected {
		text = s.Address + ", DOES NOT ANSWER"
	}
	if !s.Since.IsZero() {
		text += " for " + span(r.now.Sub(s.Since))
	}
	if s.Unwritten > 0 {
		text += fmt.Sprintf(", %s not written yet", count(s.Unwritten, "change"))
	}
	return text
}

func (r statusReport) proxyCounts() string {
	n := r.Summary.Proxies
	text := fmt.Sprintf("%d connected, %d in sync", n.Connected, n.InSync)
	if n.Missing > 0 {
		text += fmt.Sprintf(", %d MISSING", n.Missing)
	}
	return text
}

// check prints what is wrong, or one line that nothing is.
func (r statusReport) check() {
	if len(r.Findings) == 0 {
		r.add("ok: nothing is wrong; instances: %s; proxies: %s", instanceCounts(r.Summary.Instances), r.proxyCounts())
		return
	}
	r.listFindings()
}

func (r statusReport) findings() {
	if len(r.Findings) == 0 {
		return
	}
	r.blank()
	r.add("%s:", count(len(r.Findings), "thing")+" wrong")
	r.listFindings()
}

// listFindings lists what is wrong, a limited number of each kind.
func (r statusReport) listFindings() {
	seen := map[api.FindingKind]int{}
	for _, f := range r.Findings {
		if seen[f.Kind]++; seen[f.Kind] > mostOfKind && !r.wide {
			continue
		}
		r.add("- %s%s: %s", f.Subject, r.since(f.Since), strings.TrimSpace(f.Message))
		r.details(f)
		if f.Hint != "" {
			r.add("    %s", f.Hint)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		if more := seen[kind] - mostOfKind; more > 0 && !r.wide {
			r.add("- %d more of the kind %s: -o wide lists all", more, kind)
		}
	}
}

// details prints the details of a finding about documents or rejections.
func (r statusReport) details(f api.Finding) {
	switch f.Kind {
	case api.DocumentsRefused:
		shown := min(len(r.Config.Problems), mostProblems)
		for _, p := range r.Config.Problems[:shown] {
			r.add("    %s%s%s", placeOf(p), p.Message, hintOf(p))
		}
		if more := len(r.Config.Problems) - shown; more > 0 {
			r.add("    and %d more", more)
		}
	case api.DocumentsHeld:
		if h := r.Config.Held; h != nil {
			r.add("    it removes %s", some(h.Removes, mostProblems))
		}
	case api.ProxyRejected:
		for _, p := range r.Proxies {
			if p.Node == f.Subject {
				r.origins(p)
			}
		}
	}
}

// origins prints the lines of documents that led to what a proxy rejected.
func (r statusReport) origins(p api.Proxy) {
	for _, name := range typesOf([]api.Proxy{p}) {
		if rejected := p.Types[name].Rejected; rejected != nil && len(rejected.Origins) > 0 {
			r.add("    %s from %s", name, some(rejected.Origins, mostProblems))
		}
	}
}

// placeOf returns the place of a problem, "" if it has no file of its own.
func placeOf(p api.Problem) string {
	switch {
	case p.File == "" || p.File == ".":
		return ""
	case p.Line == 0:
		return p.File + ": "
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: ", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	}
}

// hintOf returns what would be right, if that is known.
func hintOf(p api.Problem) string {
	switch {
	case p.Hint != "":
		return "; " + p.Hint
	case p.Expected != "":
		return "; expected " + p.Expected
	default:
		return ""
	}
}

// since returns for how long something has lasted, as in " (20s)"; "" if that is not known.
func (r statusReport) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " (" + span(r.now.Sub(t)) + ")"
}

// notes prints what is useful to know but no fault.
func (r statusReport) notes() {
	var all []string
	for _, p := range r.Proxies {
		for _, u := range p.Unreachable {
			all = append(all, fmt.Sprintf("- %s cannot reach %s: %s (%s)", p.Node, u.To, u.Why, u.Origin))
		}
	}
	if len(all) == 0 {
		return
	}
	r.blank()
	r.add("%s:", count(len(all), "note"))
	shown := min(len(all), mostOfKind)
	if r.wide {
		shown = len(all)
	}
	for _, note := range all[:shown] {
		r.add("%s", note)
	}
	if more := len(all) - shown; more > 0 {
		r.add("- %d more: -o wide lists all", more)
	}
}

// proxies prints a table of the proxies. Of very many it shows only those that are not in sync.
func (r statusReport) proxies() {
	shown := r.Proxies
	if len(shown) > mostProxies && !r.wide {
		shown = slices.DeleteFunc(slices.Clone(shown), func(p api.Proxy) bool { return p.State == api.InSync })
		shown = shown[:min(len(shown), mostProxies)]
	}
	r.blank()
	if len(r.Proxies) == 0 {
		r.add("no proxies: doyen agent and doyen edge start them")
		return
	}
	if len(shown) > 0 {
		header := []string{"PROXY", "CONNECTED", "STATE", "REVISION"}
		types := typesOf(shown)
		if r.wide {
			header = append(header, "KIND", "ZONE", "CLIENT")
			for _, t := range types {
				header = append(header, strings.ToUpper(t))
			}
		}
		var rows [][]string
		for _, p := range shown {
			rows = append(rows, r.row(p, types))
		}
		r.table(header, rows)
	}
	if more := len(r.Proxies) - len(shown); more > 0 {
		r.add("%d more: -o wide lists all", more)
	}
}

func (r statusReport) row(p api.Proxy, types []string) []string {
	node := p.Node
	if r.clients(p.Node) > 1 && p.Client != "" && !r.wide {
		node += " at " + p.Client
	}
	row := []string{node, r.connected(p), r.state(p), cmp.Or(p.Revision, "-")}
	if !r.wide {
		return row
	}
	row = append(row, p.Kind, cmp.Or(p.Zone, "-"), cmp.Or(p.Client, "-"))
	for _, t := range types {
		row = append(row, versions(p.Types[t]))
	}
	return row
}

// clients returns how many clients have that node ID.
func (r statusReport) clients(node string) int {
	n := 0
	at, _ := slices.BinarySearchFunc(r.Proxies, node, func(p api.Proxy, id string) int { return cmp.Compare(p.Node, id) })
	for ; at < len(r.Proxies) && r.Proxies[at].Node == node; at++ {
		n++
	}
	return n
}

func (r statusReport) connected(p api.Proxy) string {
	if !p.Connected {
		return "no"
	}
	return span(r.now.Sub(p.Since))
}

// stateWords are the names of states for people. Those that need attention are in capitals.
var stateWords = map[api.ProxyState]string{
	api.InSync:       "in sync",
	api.Pending:      "pending",
	api.Rejected:     "REJECTED",
	api.Outdated:     "OUTDATED",
	api.Unconfigured: "NOT CONFIGURED",
	api.Missing:      "MISSING",
	api.Left:         "left",
}

func (r statusReport) state(p api.Proxy) string {
	text := cmp.Or(stateWords[p.State], string(p.State))
	if p.StateSince.IsZero() {
		return text
	}
	return text + " " + span(r.now.Sub(p.StateSince))
}

// resourceTypes are the types of resources in the usual order; others follow.
var resourceTypes = [...]string{"listeners", "routes", "clusters", "endpoints"}

// typesOf returns the types of resources that any of the proxies has.
func typesOf(proxies []api.Proxy) []string {
	var others []string
	for _, p := range proxies {
		for t := range p.Types {
			if !slices.Contains(resourceTypes[:], t) && !slices.Contains(others, t) {
				others = append(others, t)
			}
		}
	}
	return slices.Concat(resourceTypes[:], sorted(others))
}

// versions returns which version of a type a proxy has, and which was sent last if that differs.
func versions(t api.TypeStatus) string {
	switch {
	case t.Sent == "" && t.Acknowledged == "":
		return "-"
	case t.Sent == t.Acknowledged:
		return t.Acknowledged
	case t.Rejected != nil:
		return fmt.Sprintf("%s (rejected %s)", cmp.Or(t.Acknowledged, "none"), t.Rejected.Version)
	default:
		return fmt.Sprintf("%s (sent %s)", cmp.Or(t.Acknowledged, "none"), t.Sent)
	}
}
