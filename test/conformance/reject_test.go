package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// faults are the two ways in which Envoy rejects a cluster. With the first it uses the other resources of the
// response, and with the second none of them.
var faults = []struct{ name, says, cluster string }{
	{"fails to apply", "EDS", `{"name": "bad", "type": "EDS", "connect_timeout": "1s"}`},
	{"fails validation", "ConnectTimeout", `{"name": "bad", "type": "STATIC", "connect_timeout": "0s"}`},
}

func TestOneBadAmongGood(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		for _, fault := range faults {
			bad := resource(new(clusterv3.Cluster), "bad", "%s", fault.cluster)
			t.Run(fault.name, func(t *testing.T) {
				t.Run("first", func(t *testing.T) { badAmongGood(t, v, bad, fault.says, true) })
				t.Run("later", func(t *testing.T) { badAmongGood(t, v, bad, fault.says, false) })
			})
		}
	})
}

// badAmongGood publishes a bad cluster together with a new one to which the routes move, and then corrects only the
// bad one. What was rejected together stays withheld until some of it changes, if it cannot be determined which
// resource was bad. The recorder checks that nothing rejected is sent again.
func badAmongGood(t *testing.T, v variant, bad *xds.Resource, says string, first bool) {
	s := serve(t, xdstest.Options{}, xds.ServerOptions{IsolateRejected: true})
	e := runEnvoy(t, v, "", s.address)
	address := backend(t, "good")
	in := ""
	if !first {
		s.publish(site(v, "old", backend(t, "old"))...)
		in = e.listener("in")
		reaches(t, in, "200 old")
	}
	s.publish(append(site(v, "good", address), bad)...)
	if r := s.awaitRejection(t, clusterType); !strings.Contains(r.Message, says) {
		t.Errorf("rejected with %q, want a message with %q", r.Message, says)
	}
	switch {
	case v.delta, throughRelay: // a relay's stream to the server is delta
		// The bad resource is found and withheld alone; the others are in use.
		eventually(t, "culprit", func() error {
			r := s.rejection(clusterType)
			if r == nil || !r.Culprit || !slices.Equal(r.Names, []string{"bad"}) {
				return fmt.Errorf("rejection is %+v", r)
			}
			return nil
		})
		in = e.listener("in")
		reaches(t, in, "200 good")
	case !first:
		// The routes wait for the cluster that was rejected.
		if err := answers(in, "any", "200 old"); err != nil {
			t.Errorf("with a bad cluster: %v", err)
		}
	}
	s.publish(append(site(v, "good", address), cluster(v, "bad", "1s"), assignment("bad"))...)
	in = e.listener("in")
	reaches(t, in, "200 good")
	eventually(t, "correction", func() error {
		if r := s.rejection(clusterType); r != nil {
			return fmt.Errorf("still rejected: %s", r.Message)
		}
		return active(e, "bad", "1s")
	})
}
