package api_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// failing is a Store that takes nothing.
type failing struct{ err error }

func (f failing) Load(context.Context) ([]registry.Change, error) { return nil, nil }
func (f failing) Save(context.Context, []registry.Change) error   { return f.err }

const (
	user1 = "/v1/instances/users/10.0.0.1:80"
	user2 = "/v1/instances/users/10.0.0.2:80"
	order = "/v1/instances/orders/10.0.0.3:80"
)

func TestWatchAnswersWithTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		var first, next api.Instances
		s.want(http.StatusOK, &first, "GET", "/v1/instances", "")
		var meanwhile sync.WaitGroup
		defer meanwhile.Wait()
		meanwhile.Go(func() {
			time.Sleep(10 * time.Second)
			s.want(http.StatusCreated, nil, "PUT", user1, `{}`)
		})
		begin := time.Now()
		s.want(http.StatusOK, &next, "GET", "/v1/instances?wait=1m&after="+first.Version, "")
		if len(next.Instances) != 1 || time.Since(begin) != 10*time.Second {
			t.Errorf("after %v: %+v, want the new instance as soon as it is there", time.Since(begin), next)
		}
		// Two changes while nobody watches: one answer, the latest, at once.
		s.want(http.StatusOK, nil, "PUT", user1, `{"weight":7}`)
		s.want(http.StatusCreated, nil, "PUT", user2, `{}`)
		begin = time.Now()
		s.want(http.StatusOK, &next, "GET", "/v1/instances?after="+next.Version, "")
		if len(next.Instances) != 2 || next.Instances[0].Weight != 7 || time.Since(begin) != 0 {
			t.Errorf("after %v: %+v, want both changes at once", time.Since(begin), next)
		}
	})
}

func TestWatchOfOneServiceSleepsThroughOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		var users api.Instances
		s.want(http.StatusCreated, nil, "PUT", user1, `{}`)
		s.want(http.StatusOK, &users, "GET", "/v1/instances/users", "")
		var meanwhile sync.WaitGroup
		defer meanwhile.Wait()
		meanwhile.Go(func() {
			time.Sleep(10 * time.Second)
			s.want(http.StatusCreated, nil, "PUT", order, `{}`)
			s.want(http.StatusOK, nil, "PUT", user1, `{}`) // a renewal
		})
		begin := time.Now()
		s.want(http.StatusNoContent, nil, "GET", "/v1/instances/users?after="+users.Version, "")
		if got := time.Since(begin); got != 30*time.Second {
			t.Errorf("answered after %v, want the default of 30s", got)
		}
		meanwhile.Go(func() {
			time.Sleep(10 * time.Second)
			s.want(http.StatusOK, nil, "DELETE", user1, "")
		})
		s.want(http.StatusOK, &users, "GET", "/v1/instances/users?after="+users.Version, "")
		if len(users.Instances) != 0 {
			t.Errorf("got %+v, want that the last one left", users)
		}
	})
}

func TestVersionOfAnotherServerIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		var before, after api.Instances
		s.want(http.StatusOK, &before, "GET", "/v1/instances", "")
		time.Sleep(time.Second)
		other := serve(t, api.Options{}, nil)
		begin := time.Now()
		other.want(http.StatusOK, &after, "GET", "/v1/instances?after="+before.Version, "")
		if time.Since(begin) != 0 || before.Version == after.Version {
			t.Errorf("waited %v on the version of another process", time.Since(begin))
		}
	})
}

func TestWatchEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		var now api.Instances
		s.want(http.StatusOK, &now, "GET", "/v1/instances", "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", "/v1/instances?after="+now.Version, nil)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		s.do(r)
		if got := time.Since(begin); got != time.Second {
			t.Errorf("a watch whose caller is gone goes on for %v", got)
		}
	})
}

func TestWatchEndsWithTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		var now api.Instances
		s.want(http.StatusOK, &now, "GET", "/v1/instances", "")
		time.AfterFunc(time.Second, s.end)
		begin := time.Now()
		s.want(http.StatusNoContent, nil, "GET", "/v1/instances?after="+now.Version, "")
		if got := time.Since(begin); got != time.Second {
			t.Errorf("a watch holds a server that ends for %v", got)
		}
		answer, text := s.call("PUT", user1, `{}`)
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("a check-in at the end: %d %s, want 503 and when to try again", answer.StatusCode, text)
		}
	})
}

func TestLeaveWaits(t *testing.T) {
	for name, test := range map[string]struct {
		target  string
		settled func(context.Context, mesh.ServiceName) error
		want    api.Left
	}{
		"not asked":    {user1, slowly(time.Second), api.Left{Reason: "not asked to wait"}},
		"acknowledged": {user1 + "?wait=5s", slowly(2 * time.Second), api.Left{Acknowledged: true, Waited: api.Duration(2 * time.Second)}},
		"too slow": {user1 + "?wait=5s", slowly(time.Minute),
			api.Left{Waited: api.Duration(5 * time.Second), Reason: "not every caller's proxy has acknowledged in that time"}},
		"cannot know": {user1 + "?wait=5s", nil, api.Left{Reason: "this server does not know what proxies acknowledge"}},
		"fails": {user1 + "?wait=5s", func(context.Context, mesh.ServiceName) error { return errors.New("no proxies yet") },
			api.Left{Reason: "no proxies yet"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *server
				settled := test.settled
				if settled != nil {
					settled = func(ctx context.Context, service mesh.ServiceName) error {
						if len(s.registry.Snapshot().Instances(service)) != 0 {
							t.Error("asked before the instance is out of the snapshot")
						}
						return test.settled(ctx, service)
					}
				}
				s = serve(t, api.Options{Settled: settled}, nil)
				s.want(http.StatusCreated, nil, "PUT", user1, `{}`)
				var got api.Left
				s.want(http.StatusOK, &got, "DELETE", test.target, "")
				if got != test.want {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
			})
		})
	}
}

// slowly settles after d.
func slowly(d time.Duration) func(context.Context, mesh.ServiceName) error {
	return func(ctx context.Context, _ mesh.ServiceName) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		for _, path := range []string{user1, user2, "/v1/instances/users/10.0.0.3:80"} {
			s.want(http.StatusCreated, nil, "PUT", path, `{}`)
		}
		var doubts api.Doubts
		s.want(http.StatusOK, &doubts, "GET", "/v1/expiry", "")
		if len(doubts.Doubts) != 0 {
			t.Errorf("in doubt from the start: %+v", doubts)
		}
		time.Sleep(11 * time.Minute)
		s.want(http.StatusOK, &doubts, "GET", "/v1/expiry", "")
		if len(doubts.Doubts) != 1 || doubts.Doubts[0].Service != "users" || len(doubts.Doubts[0].Instances) != 3 || doubts.Doubts[0].Of != 3 {
			t.Fatalf("doubts: %+v", doubts)
		}
		var decided api.Decided
		s.want(http.StatusOK, &decided, "POST", "/v1/services/users/expiry", `{"decision":"keep"}`)
		s.want(http.StatusOK, &doubts, "GET", "/v1/expiry", "")
		if decided.Instances != 3 || len(doubts.Doubts) != 0 || s.registry.Snapshot().Size() != 3 {
			t.Errorf("kept %d, still in doubt %v, %d instances", decided.Instances, doubts, s.registry.Snapshot().Size())
		}
		time.Sleep(11 * time.Minute)
		s.want(http.StatusOK, &decided, "POST", "/v1/expiry", `{"decision":"expire"}`)
		if decided.Instances != 3 || s.registry.Snapshot().Size() != 0 {
			t.Errorf("expired %d, %d instances left", decided.Instances, s.registry.Snapshot().Size())
		}
	})
}
