package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

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
