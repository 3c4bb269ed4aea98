package report_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/doyen-mesh/doyen/internal/report"
	"github.com/doyen-mesh/doyen/xds"
)

// teller reports to a collector what one stream says.
type teller struct {
	xds.Callbacks
	stream xds.StreamInfo
}

func (s teller) reject(names ...string) {
	s.Rejected(s.stream, xds.Rejection{Type: xds.ClusterType, Names: names, Message: "no"})
}

func (s teller) accept(t *testing.T, nonce string) {
	if err := s.Request(s.stream, xds.RequestInfo{Type: xds.ClusterType, Nonce: nonce}); err != nil {
		t.Fatal(err)
	}
}

func names(s *report.Snapshot) []string {
	all := []string{}
	for _, r := range s.Rejections {
		all = append(all, r.Names...)
	}
	return all
}

func TestRejections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := report.NewCollector()
		first := teller{c.Callbacks(xds.Callbacks{}), xds.StreamInfo{ID: 1, Node: &xds.Node{ID: "a"}}}
		second := teller{first.Callbacks, xds.StreamInfo{ID: 2, Node: &xds.Node{ID: "b"}}}
		expect := func(want ...string) {
			t.Helper()
			if got := names(c.Snapshot()); !slices.Equal(got, want) {
				t.Errorf("rejected are %q: want %q", got, want)
			}
		}
		empty := c.Snapshot()
		expect()
		first.reject("users", "orders")
		second.reject("users")
		<-empty.Changed()
		expect("users", "orders", "users")
		if len(empty.Rejections) != 0 {
			t.Error("a snapshot has changed")
		}

		// A new rejection of a name replaces the one before.
		last := c.Snapshot()
		first.reject("orders")
		<-last.Changed()
		if s := c.Snapshot(); len(s.Rejections) != 3 || s.Rejections[0].Node.ID != "a" || s.Rejections[2].Node.ID != "b" {
			t.Errorf("rejections are %+v", s.Rejections)
		}

		// An ACK of something else leaves it.
		first.accept(t, "1")
		expect("users", "orders", "users")

		last = c.Snapshot()
		second.StreamClose(second.stream, nil)
		first.StreamClose(first.stream, nil)
		<-last.Changed()
		expect()
	})
}

func TestRejectionsAreBounded(t *testing.T) {
	c := report.NewCollector()
	s := teller{c.Callbacks(xds.Callbacks{}), xds.StreamInfo{ID: 1, Node: &xds.Node{ID: "a"}}}
	for i := range 1000 {
		var many []string
		for j := range 100 {
			many = append(many, fmt.Sprintf("%d-%d", i, j))
		}
		s.reject(many...)
	}
	got := c.Snapshot().Rejections
	if len(got) != report.MaxRejections || len(got[0].Names) != report.MaxNames {
		t.Fatalf("%d rejections of %d names are kept", len(got), len(got[0].Names))
	}
	if got[len(got)-1].Names[0] != "999-0" {
		t.Errorf("the last one kept is %s: want the newest", got[len(got)-1].Names[0])
	}
}
