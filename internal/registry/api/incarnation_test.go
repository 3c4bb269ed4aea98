package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// TestGoodbyeOvertakesItsCheckIn: the agent gives up on a check-in, whose request is still on its way,
// and says goodbye. In either order the instance is gone.
func TestGoodbyeOvertakesItsCheckIn(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	for n := range 200 {
		target := fmt.Sprintf("/v1/instances/users/10.0.0.%d:80", 1+n)
		var issued api.Incarnation
		s.want(http.StatusOK, &issued, "POST", target+"/incarnation", "{}")
		body := fmt.Sprintf(`{"incarnation":%q,"sequence":1}`, issued.Incarnation)
		var both sync.WaitGroup
		both.Go(func() {
			if answer, text := s.call(http.MethodPut, target, body); answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusGone {
				t.Errorf("check-in: %d %s", answer.StatusCode, text)
			}
		})
		both.Go(func() {
			s.call(http.MethodDelete, target+"?incarnation="+issued.Incarnation.String(), "")
		})
		both.Wait()
	}
	if n := s.registry.Snapshot().Size(); n != 0 {
		t.Errorf("%d instances are in the registry after their goodbye", n)
	}
}

// TestTooLongAWait is as long as the server is willing to wait, and no reason to refuse a goodbye.
func TestTooLongAWait(t *testing.T) {
	var patience time.Duration
	s := serve(t, api.Options{Settled: func(ctx context.Context, _ mesh.ServiceName) error {
		deadline, _ := ctx.Deadline()
		patience = time.Until(deadline)
		return nil
	}}, nil)
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/users/10.0.0.1:80", `{}`)
	s.want(http.StatusOK, nil, "DELETE", "/v1/instances/users/10.0.0.1:80?wait=24h", "")
	if n := s.registry.Snapshot().Size(); n != 0 || patience < 4*time.Minute || patience > 5*time.Minute {
		t.Errorf("%d instances are left, and the server would wait %v", n, patience)
	}
}

// TestWatchOneInstance: what an agent is told about its own instance while it waits.
func TestWatchOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		manifest, changed := "m1", make(chan struct{})
		s := serve(t, api.Options{Manifest: func(mesh.ServiceName) (string, <-chan struct{}) { return manifest, changed }}, nil)
		const target = "/v1/instances/users/10.0.0.1:80"
		s.want(http.StatusNotFound, nil, "GET", target+"?after=x&wait=5m", "")
		s.want(http.StatusCreated, nil, "PUT", target, `{}`)
		var shown api.Shown
		s.want(http.StatusOK, &shown, "GET", target+"?after=x&wait=5m", "")
		if shown.Manifest != "m1" || shown.Version == "" {
			t.Fatalf("shown %+v", shown)
		}
		// wait makes the call and returns what it was answered with after change.
		wait := func(status int, change func()) {
			t.Helper()
			var call sync.WaitGroup
			call.Go(func() { s.want(status, &shown, "GET", target+"?wait=5m&after="+shown.Version, "") })
			synctest.Wait()
			change()
			call.Wait()
		}
		wait(http.StatusOK, func() { s.want(http.StatusOK, nil, "PUT", target, `{"weight":7}`) })
		if shown.Weight != 7 {
			t.Errorf("after a change: %+v", shown)
		}
		wait(http.StatusOK, func() {
			stale := changed
			manifest, changed = "m2", make(chan struct{})
			close(stale)
		})
		if shown.Manifest != "m2" {
			t.Errorf("after another manifest: %+v", shown)
		}
		before := time.Now()
		answer, _ := s.call("GET", target+"?wait=5m&after="+shown.Version, "")
		if answer.StatusCode != http.StatusNoContent || time.Since(before) != 5*time.Minute {
			t.Errorf("without a change: %d after %v", answer.StatusCode, time.Since(before))
		}
		s.want(http.StatusOK, nil, "PUT", target, `{"weight":7}`) // it lives
		wait(http.StatusNotFound, func() { s.want(http.StatusOK, nil, "DELETE", target, "") })
	})
}

// TestTwoAgentsAtOneAddress: each is told of the other in words that it can log.
func TestTwoAgentsAtOneAddress(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	const first, second = "/v1/instances/users/10.0.0.1:80", "/v1/instances/other/10.0.0.1:80"
	checkIn := func(target string) string {
		var issued api.Incarnation
		s.want(http.StatusOK, &issued, "POST", target+"/incarnation", "{}")
		return fmt.Sprintf(`{"incarnation":%q,"sequence":1}`, issued.Incarnation)
	}
	one, two := checkIn(first), checkIn(second)
	var answer api.CheckedIn
	s.want(http.StatusCreated, nil, "PUT", first, one)
	s.want(http.StatusCreated, &answer, "PUT", second, two)
	if !strings.Contains(answer.Warning, "taken over from users at 10.0.0.1:80") {
		t.Errorf("the second is told %q", answer.Warning)
	}
	var refused httpapi.Error
	s.want(http.StatusConflict, &refused, "PUT", first, one)
	if !strings.Contains(refused.Error, "10.0.0.1:80 belongs to other") {
		t.Errorf("the first is told %q", refused.Error)
	}
	s.want(http.StatusOK, &answer, "PUT", second, two)
	if !strings.Contains(answer.Warning, "another agent claims the same address, for users at 10.0.0.1:80") {
		t.Errorf("the second is told %q at its renewal", answer.Warning)
	}
}
