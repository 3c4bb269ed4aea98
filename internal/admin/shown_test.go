package admin

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/xds"
)

// A proxy whose status is the same as in the last answer is not described or encoded again, and neither is one that has
// left. One that changed is, as is one whose view changed, and those that are not shown any more are forgotten.
func TestProxiesAreRemembered(t *testing.T) {
	versioned := func(id, version uint64, status xds.TypeStatus) xds.StreamStatus {
		s := stream("10.0.0.1:1000", noon.Add(-time.Hour), status)
		s.ID, s.Version = id, version
		return s
	}
	nodes := []xds.NodeStatus{
		{Node: sidecar(t, "1"), Streams: []xds.StreamStatus{versioned(1, 1, inSync)}},
		{Node: sidecar(t, "2"), Streams: []xds.StreamStatus{versioned(2, 2, inSync)}},
	}
	v := look(t, registered(t, nil), nodes, control.Gone{Node: sidecar(t, "3"), At: ago(time.Minute)})
	first, _ := v.proxies()
	nodes[1].Streams[0] = versioned(2, 3, xds.TypeStatus{Sent: "b", Acknowledged: "a"})
	second, _ := v.proxies()
	if second[0] != first[0] || second[2] != first[2] {
		t.Error("what did not change is described again")
	}
	if second[1] == first[1] || second[1].State != api.Pending {
		t.Errorf("what changed is shown as %q, as it was before", second[1].State)
	}
	v.views = testViews{control.View{Revision: "r2"}, nil}
	third, _ := v.proxies()
	if third[0].Revision != "r2" {
		t.Errorf("the new revision is shown as %q", third[0].Revision)
	}
	v.left[0].At = ago(time.Second)
	fourth, _ := v.proxies()
	if fourth[2].Since != ago(time.Second) {
		t.Errorf("a proxy that came and left again is shown as it was before: since %v", fourth[2].Since)
	}
	v.connected, v.left = nodes[:1], nil
	v.proxies()
	if known := len(v.shown.last()); known != 1 {
		t.Errorf("%d proxies are remembered, want the connected one", known)
	}
}

// A status with its proxies encoded one by one has the bytes of one that is encoded in one piece.
func TestEncodeStatus(t *testing.T) {
	for _, proxies := range [][]*shownProxy{{}, {{Proxy: api.Proxy{Node: "a<b>&"}}}, {{Proxy: api.Proxy{Node: "a"}}, {Proxy: api.Proxy{Node: "]}"}}}} {
		s := api.Status{Findings: []api.Finding{{Message: "proxies:[]}"}}}
		got, err := encodeStatus(s, proxies)
		if err != nil {
			t.Fatal(err)
		}
		s.Proxies = []api.Proxy{}
		for _, p := range proxies {
			s.Proxies = append(s.Proxies, p.Proxy)
		}
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(bytes.Join(got, nil))); diff != "" {
			t.Errorf("(-in one piece +proxies one by one):\n%s", diff)
		}
	}
}
