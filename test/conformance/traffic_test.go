package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

func TestStartFromNothing(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		s.publish()
		e := runEnvoy(t, v, "", s.address)
		one, two := backend(t, "one"), backend(t, "two")
		// An Envoy that got an empty configuration is ready.
		eventually(t, "Envoy", func() error {
			page, err := e.get("/ready")
			if err == nil && strings.TrimSpace(page) != "LIVE" {
				err = fmt.Errorf("it is %s", page)
			}
			return err
		})
		s.publish(site(v, "a", one)...)
		in := e.listener("in")
		reaches(t, in, "200 one")
		s.publish(site(v, "a", two)...)
		reaches(t, in, "200 two")
		expectNoRejection(t, e)
	})
}

// TestClusterChangeWithUnchangedEndpoints checks that a cluster that changes gets its endpoints again, though they
// have not changed, so that Envoy does not wait for them.
func TestClusterChangeWithUnchangedEndpoints(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		e := runEnvoy(t, v, "", s.address)
		a := backend(t, "a")
		s.publish(site(v, "a", a)...)
		in := e.listener("in")
		reaches(t, in, "200 a")
		began := time.Now()
		s.publish(listener(v, "in", "main"), routes("main", "a"), cluster(v, "a", "2s"), assignment("a", a))
		eventually(t, "the changed cluster", func() error { return active(e, "a", "2s") })
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the cluster was warming for %v", took)
		}
		if err := answers(in, "any", "200 a"); err != nil {
			t.Error(err)
		}
		expectNoRejection(t, e)
	})
}

// active returns an error unless a cluster is in use with that connect timeout.
func active(e *envoy, name, timeout string) error {
	page, err := e.get("/config_dump?resource=dynamic_active_clusters")
	if err == nil && !(strings.Contains(page, fmt.Sprintf(`"name": %q`, name)) && strings.Contains(page, fmt.Sprintf(`"connect_timeout": %q`, timeout))) {
		err = fmt.Errorf("no active cluster %q with timeout %s in %s", name, timeout, page)
	}
	return err
}

// Each move makes a new cluster, points the routes to it and removes the old cluster, in one publication.
const moves = 50

func TestMovedRoutesLoseNothing(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		l := moveUnderLoad(t, v, xdstest.Options{}, func(s *server, _ int, all []*xds.Resource) { s.publish(all...) })
		t.Log(l)
		if l.failed.Load() > 0 {
			t.Errorf("%v, want none", l)
		}
	})
}

// TestMovedRoutesLoseRequestsInReverseOrder shows that the test above can fail: if routes are sent before clusters,
// requests are lost.
func TestMovedRoutesLoseRequestsInReverseOrder(t *testing.T) {
	v := variant{delta: true, ads: true}
	var before []*xds.Resource
	l := moveUnderLoad(t, v, xdstest.Options{Dangling: true}, func(s *server, move int, all []*xds.Resource) {
		if move > 0 {
			reversed := append(ofType(before, clusterType), notOfType(all, clusterType)...)
			s.publish(reversed...)
			s.awaitAcknowledged(t, all[1])
		}
		before = all
		s.publish(all...)
	})
	t.Log(l)
	if l.failed.Load() == 0 {
		t.Errorf("%v: this load does not notice what it must", l)
	}
}

// moveUnderLoad moves the routes from cluster to cluster while requests come.
func moveUnderLoad(t *testing.T, v variant, rules xdstest.Options, publish func(*server, int, []*xds.Resource)) *load {
	s := serve(t, rules, xds.ServerOptions{})
	e := runEnvoy(t, v, "", s.address)
	var l *load
	in := ""
	for move := range moves + 1 {
		name := fmt.Sprintf("c%d", move)
		all := site(v, name, backend(t, name))
		publish(s, move, all)
		if move == 0 {
			in = e.listener("in")
			reaches(t, in, "200 "+name)
			l = put(t, in, 300)
		}
		reaches(t, in, "200 "+name)
		l.more(t, 25)
	}
	// The last of the old clusters is removed, too.
	eventually(t, "removal", func() error {
		page, err := e.get("/clusters")
		if err == nil && strings.Contains(page, fmt.Sprintf("c%d::", moves-1)) {
			err = fmt.Errorf("cluster c%d is still there", moves-1)
		}
		return err
	})
	l.stop()
	expectNoRejection(t, e)
	return l
}

func ofType(all []*xds.Resource, typeURL string) (some []*xds.Resource) {
	for _, r := range all {
		if r.Type() == typeURL {
			some = append(some, r)
		}
	}
	return some
}

func notOfType(all []*xds.Resource, typeURL string) (some []*xds.Resource) {
	for _, r := range all {
		if r.Type() != typeURL {
			some = append(some, r)
		}
	}
	return some
}

// expectNoRejection checks that Envoy has rejected no update.
func expectNoRejection(t *testing.T, e *envoy) {
	t.Helper()
	for _, name := range []string{"cluster_manager.cds.update_rejected", "listener_manager.lds.update_rejected", "http.in.rds.main.update_rejected"} {
		if n, err := e.stat(name); err != nil || n != 0 {
			t.Errorf("%s is %d (%v), want 0", name, n, err)
		}
	}
}
