package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// TestStoreFaulty: a key of the store that cannot be used is a finding, with what to do.
func TestStoreFaulty(t *testing.T) {
	status := api.Status{Store: &api.Store{Connected: true, Faults: []api.StoreFault{{Key: "doyen:{3}:version", Problem: "another program made it", Hint: "rename it"}}}}
	found := findings(status, nil, nil, nil, time.Now())
	if len(found) != 1 || found[0].Kind != api.StoreFaulty || found[0].Subject != "doyen:{3}:version" || found[0].Hint != "rename it" || !strings.Contains(found[0].Message, "another program") {
		t.Errorf("findings: %+v", found)
	}
}

// TestStoreAway: a store that does not answer is a finding once it has had the time for a failover.
func TestStoreAway(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		store *api.Store
		found int
	}{
		{nil, 0},
		{&api.Store{Address: "Redis at a:6379", Connected: true, Since: now.Add(-time.Hour)}, 0},
		{&api.Store{Address: "Redis at a:6379", Since: now.Add(-time.Second)}, 0},
		{&api.Store{Address: "Redis at a:6379", Since: now.Add(-time.Minute), Error: "connection refused", Unwritten: 2}, 1},
	} {
		found := findings(api.Status{Store: test.store}, nil, nil, nil, now)
		if len(found) != test.found {
			t.Errorf("%+v: %v, want %d", test.store, found, test.found)
		}
		if len(found) == 1 && (found[0].Kind != api.StoreAway || !strings.Contains(found[0].Message, "connection refused") || !strings.Contains(found[0].Message, "2 changes wait")) {
			t.Errorf("got %+v", found[0])
		}
	}
}

// TestInstancesFileRefused: an instances file whose content is not in force is a finding.
func TestInstancesFileRefused(t *testing.T) {
	file := api.InstancesFile{Path: "/etc/doyen/instances.yaml"}
	if found := findings(api.Status{InstancesFile: &file}, nil, nil, nil, time.Now()); len(found) != 0 {
		t.Errorf("findings %+v, though all is well", found)
	}
	file.Problem = "instances.yaml:3:7: no address"
	found := findings(api.Status{InstancesFile: &file}, nil, nil, nil, time.Now())
	if len(found) != 1 || found[0].Kind != api.InstancesRefused || found[0].Subject != file.Path || !strings.Contains(found[0].Message, file.Problem) {
		t.Errorf("findings %+v", found)
	}
}
