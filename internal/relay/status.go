package relay

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/xds"
)

// Client is one client of a relay, and how it stands.
type Client struct {
	Node    string `json:"node"`
	Streams int    `json:"streams"` // open streams of the client to the relay
	// Connected says whether a server answers, Since from when on it does, or does not.
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since,omitzero"`
	Problem   string    `json:"problem,omitempty"` // why no server answers
	// Saved is when the copy on disk was written, or last known to be what the server has; zero for none. Current says whether it is what the client
	// acknowledged last.
	Saved   time.Time `json:"saved,omitzero"`
	Current bool      `json:"current"`
	// Unsaved is why the copy on disk could not be written last.
	Unsaved string `json:"unsaved,omitempty"`
	// Resources is how many resources the client acknowledged, by type URL; Pending are the types of which it
	// has not answered the latest update.
	Resources map[string]int `json:"resources"`
	Pending   []string       `json:"pending,omitempty"`
	// Rejected is what the client said, by type URL, where it rejects a resource that the server has for it.
	Rejected map[string]string `json:"rejected,omitempty"`
	// Ignored is why the copy that was on disk when the client first connected was not used.
	Ignored string `json:"ignored,omitempty"`
}

// Status returns the clients that the relay has served since it started, by node ID.
func (r *Relay) Status() []Client {
	sessions := r.all()
	all := make([]Client, 0, len(sessions))
	for _, s := range sessions {
		all = append(all, s.status())
	}
	slices.SortFunc(all, func(a, b Client) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

func (s *session) status() Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := Client{Node: s.id, Streams: len(s.streams), Saved: s.saved, Current: s.accepted == s.onDisk, Resources: map[string]int{}, Rejected: map[string]string{}}
	if u := s.upstream; u != nil {
		c.Connected, c.Since = u.connected, u.since
		if u.reason != nil {
			c.Problem = u.reason.Error()
		}
	}
	for typeURL, of := range s.types {
		if len(of.accepted) > 0 {
			c.Resources[typeURL] = len(of.accepted)
		}
		if of.pending != nil {
			c.Pending = append(c.Pending, typeURL)
		}
		if of.files != nil && of.files.message != "" {
			c.Rejected[typeURL] = of.files.message
		}
		for _, name := range slices.Sorted(maps.Keys(of.rejected)) {
			if r := of.rejected[name]; r.current {
				c.Rejected[typeURL] = r.Message
			}
		}
	}
	slices.Sort(c.Pending)
	if s.saveError != nil {
		c.Unsaved = s.saveError.Error()
	}
	if s.ignored != nil {
		c.Ignored = s.ignored.Error()
	}
	return c
}

// Acknowledged returns a resource that a client acknowledged, also if it is not connected now; nil if there is none.
func (r *Relay) Acknowledged(node string, ref xds.Ref) *xds.Resource {
	s := r.find(node)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.types[ref.Type]
	if of == nil {
		return nil
	}
	if e, asked := of.accepted[ref.Name]; asked {
		return e.resource
	}
	return of.dropped[ref.Name].resource
}
