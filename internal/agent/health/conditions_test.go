package health

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/registry"
)

func TestConditionsJoinIntoAState(t *testing.T) {
	var told []string
	c := NewConditions(slog.New(slog.DiscardHandler), func(s registry.State, why string) { told = append(told, strings.TrimSuffix(string(s)+": "+why, ": ")) }, ApplicationHealthy, EnvoyReady)
	broken := errors.New("broken")
	for _, step := range []struct {
		which Condition
		err   error
	}{
		{ApplicationHealthy, broken}, {ApplicationHealthy, nil}, {EnvoyReady, nil}, {EnvoyReady, broken}, {ApplicationHealthy, broken}, {EnvoyReady, nil}, {ApplicationHealthy, nil},
	} {
		c.Set(step.which, step.err)
	}
	c.Remark("a\u202estranger " + strings.Repeat("x", registry.MaxReason))
	if last := told[len(told)-1]; len(last) != len("healthy: ")+registry.MaxReason || !strings.HasSuffix(last, "...") {
		t.Errorf("a long remark is told as %q", last)
	}
	told = told[:len(told)-1]
	want := []string{
		"starting: not application healthy: broken", "starting", "healthy",
		"unhealthy: not envoy ready: broken",
		"unhealthy: not application healthy: broken; not envoy ready: broken",
		"unhealthy: not application healthy: broken", "healthy",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}
