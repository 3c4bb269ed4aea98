package supervisor

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestCrashLoopBacksOff runs an Envoy that ends at once: each pause before the next start is up to twice as long as the one
// before, and each end is reported.
func TestCrashLoopBacksOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	log, ends := &machine.Output{}, 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const starts = 4
	e, err := NewEnvoy(EnvoyConfig{
		EnvoyOptions: EnvoyOptions{Path: path},
		Bootstrap:    bootstrap.Options{Node: mesh.Node{Role: mesh.Sidecar, Service: "users"}, Instance: "i", Server: "127.0.0.1:1", AdminPort: 1},
		Ready: func(err error) {
			if ends++; ends == starts {
				cancel()
			}
			if err == nil || err.Error() != "envoy ended with status 3" {
				t.Errorf("reported %v", err)
			}
		},
		Out: io.Discard, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	most := firstRestart
	pauses := regexp.MustCompile(`pause=(\S+)`).FindAllStringSubmatch(log.String(), -1)
	if len(pauses) != starts {
		t.Fatalf("%d ends are in the log, want %d:\n%s", len(pauses), starts, log)
	}
	for _, found := range pauses {
		pause, err := time.ParseDuration(found[1])
		if err != nil || pause > most || pause < most/2 {
			t.Errorf("a pause of %v, want %v to %v (%v)", pause, most/2, most, err)
		}
		most = min(2*most, lastRestart)
	}
}
