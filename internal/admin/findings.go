package admin

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// How long something may last before it is a finding. Until then it is an ordinary change in progress.
const (
	// pendingGrace is the time for a proxy to acknowledge a change. Warming a cluster takes a few seconds.
	pendingGrace = 30 * time.Second
	// storeGrace is the time for a store to come back from a restart or a failover.
	storeGrace = 5 * time.Second
	// duplicateGrace is the time to detect the broken connection of a client that has reconnected: the server's
	// keepalive takes up to two minutes.
	duplicateGrace = 2*time.Minute + 10*time.Second
)

// findings returns everything that is wrong according to a status, in the order of the kinds.
func findings(s api.Status, proxies []*shownProxy, unhealthy []serviceCount, missingEdges []mesh.EdgeName, now time.Time) []api.Finding {
	found := []api.Finding{}
	found = append(found, documentFindings(s.Config)...)
	if file := s.InstancesFile; file != nil && file.Problem != "" {
		found = append(found, api.Finding{
			Kind: api.InstancesRefused, Subject: file.Path, Since: file.Since,
			Message: file.Problem + "; the instances listed before stay", Hint: "correct the file: the server reads it by itself",
		})
	}
	if store := s.Store; store != nil && !store.Connected && now.Sub(store.Since) >= storeGrace {
		found = append(found, api.Finding{
			Kind: api.StoreAway, Subject: store.Address, Since: store.Since,
			Message: fmt.Sprintf("does not answer: %s; this server serves what it knows, and %s for the others", cmp.Or(store.Error, "no answer yet"), waiting(store.Unwritten)),
			Hint:    "what waits is on this server's disk too, and is merged by itself when the store answers",
		})
	}
	if store := s.Store; store != nil {
		for _, f := range store.Faults {
			found = append(found, api.Finding{Kind: api.StoreFaulty, Subject: f.Key, Since: f.Since, Message: f.Problem + "; the rest of the store is in use", Hint: f.Hint})
		}
	}
	for _, d := range s.Expiry {
		found = append(found, api.Finding{
			Kind: api.ExpiryPaused, Subject: d.Service, Since: d.Since,
			Message: fmt.Sprintf("%d of %d instances stopped checking in at once; they stay registered until %s", len(d.Instances), d.Of, d.Until.UTC().Format(time.RFC3339)),
			Hint:    fmt.Sprintf("if they are dead: doyen expiry %[1]s --expire; if they are alive: doyen expiry %[1]s --keep", d.Service),
		})
	}
	for _, u := range unhealthy {
		found = append(found, api.Finding{
			Kind: api.ServiceUnhealthy, Subject: string(u.service),
			Message: fmt.Sprintf("none of its instances is healthy (%d unhealthy), so callers try all of them", u.instances),
			Hint:    fmt.Sprintf("doyen instances %s shows why", u.service),
		})
	}
	for _, name := range missingEdges {
		found = append(found, api.Finding{
			Kind: api.EdgeMissing, Subject: string(name),
			Message: "no connected proxy runs this edge", Hint: fmt.Sprintf("start one with: doyen edge --edge %s", name),
		})
	}
	return append(found, proxyFindings(proxies, now)...)
}

func documentFindings(c api.Config) []api.Finding {
	var found []api.Finding
	if c.Error != "" {
		found = append(found, api.Finding{Kind: api.DocumentsUnreadable, Subject: c.Folder, Message: fmt.Sprintf("%s; revision %s stays in force", c.Error, c.Revision)})
	}
	if n := len(c.Problems); n > 0 {
		found = append(found, api.Finding{
			Kind: api.DocumentsRefused, Subject: c.Folder,
			Message: fmt.Sprintf("the folder has %s, so revision %s stays in force", plural(n, "problem"), c.Revision),
			Hint:    "doyen validate " + c.Folder + " shows them",
		})
	}
	if h := c.Held; h != nil {
		found = append(found, api.Finding{
			Kind: api.DocumentsHeld, Subject: h.Revision, Since: h.Since,
			Message: h.Reason, Hint: "to let it take effect: doyen accept " + h.Revision,
		})
	}
	return found
}

// proxyKinds are the findings for the states of proxies, in the order of the kinds. A grace of 0 makes the state a
// finding immediately.
var proxyKinds = []struct {
	kind  api.FindingKind
	state api.ProxyState
	grace time.Duration
	hint  string // "" refers to the proxy's own page of status
}{
	{api.ProxyMissing, api.Missing, 0, "if its agent runs, the agent's log says why; if not, its lease ends by itself"},
	{api.ProxyUnconfigured, api.Unconfigured, 0, "add the document that is missing, or start the proxy with a bootstrap that doyen wrote"},
	{api.ProxyOutdated, api.Outdated, 0, ""},
	{api.ProxyRejected, api.Rejected, 0, ""},
	{api.ProxyPending, api.Pending, pendingGrace, ""},
}

func proxyFindings(proxies []*shownProxy, now time.Time) []api.Finding {
	found := duplicates(proxies, now)
	for _, k := range proxyKinds {
		for _, p := range proxies {
			if p.State == k.state && !p.StateSince.IsZero() && now.Sub(p.StateSince) >= k.grace {
				found = append(found, api.Finding{Kind: k.kind, Subject: p.Node, Message: p.Why, Since: p.StateSince, Hint: cmp.Or(k.hint, "doyen status "+p.Node+" shows more")})
			}
		}
	}
	return found
}

// duplicates returns the node IDs that several clients have had for longer than a broken connection can last. The
// proxies are sorted by node.
func duplicates(proxies []*shownProxy, now time.Time) []api.Finding {
	var found []api.Finding
	for i := 0; i < len(proxies); {
		first := i
		var clients []string
		var since time.Time // of the second
		for ; i < len(proxies) && proxies[i].Node == proxies[first].Node; i++ {
			if p := proxies[i]; p.Connected && now.Sub(p.Since) >= duplicateGrace {
				clients = append(clients, p.Client)
				if len(clients) > 1 && (since.IsZero() || p.Since.After(since)) {
					since = p.Since
				}
			}
		}
		if len(clients) > 1 {
			found = append(found, api.Finding{
				Kind: api.DuplicateNode, Subject: proxies[first].Node, Since: since,
				Message: fmt.Sprintf("%d clients use this node ID: %s", len(clients), strings.Join(clients, ", ")),
				Hint:    "give each a bootstrap of its own (doyen agent does; doyen bootstrap has --instance): was an image or a file copied?",
			})
		}
	}
	return found
}

// waiting says how many changes wait.
func waiting(n int) string {
	if n == 1 {
		return "1 change waits"
	}
	return fmt.Sprintf("%d changes wait", n)
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
