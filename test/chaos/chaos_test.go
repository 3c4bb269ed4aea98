//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/test/chaos/lab"
	"github.com/doyen-mesh/doyen/test/machine"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(programVariable); name != "" {
		os.Exit(runProgram(name))
	}
	if lab.Available() == nil {
		lab.Enter()
	}
	os.Exit(m.Run())
}

// TestFaults injects the faults of the short form: no request fails, and the mesh recovers.
func TestFaults(t *testing.T) {
	if err := lab.Available(); err != nil {
		machine.Missing(t, err.Error())
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		machine.Missing(t, err.Error())
	}
	o := options{programs: programs{envoy: machine.Envoy(t), redis: "redis-server"}, size: usual}
	for _, w := range matrix() {
		if w.traits.has(short) {
			o.rows = append(o.rows, w)
		}
	}
	var out strings.Builder
	err := o.run(t.Context(), &out)
	t.Log("\n" + out.String())
	if err != nil {
		t.Error(err)
	}
}
