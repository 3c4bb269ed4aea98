package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
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
