package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestKilledProgramsAreToldApart kills the application, the Envoy and the agent of one instance each with SIGKILL. The
// agents' logs, the registry and the server's status tell which of them it was.
func TestKilledProgramsAreToldApart(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	var all []*instance
	for n := range 3 {
		all = append(all, m.startInstance("users", fmt.Sprintf("users-%d", n+1), options{}))
	}
	m.inSync()
	kill := func(pid int) {
		t.Helper()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	withoutApplication, withoutEnvoy, withoutAgent := all[0], all[1], all[2]

	withoutApplication.last = func() {}
	kill(withoutApplication.application(t))
	if code := withoutApplication.wait(t); code != 137 {
		t.Errorf("the agent whose application was killed ended with status %d, want 137", code)
	}
	if state := m.stateOf("users", withoutApplication.ingress, "healthy"); !strings.Contains(state, "404") {
		t.Errorf("the instance whose application was killed is still in the registry: %s", state)
	}

	kill(withoutEnvoy.envoy(t))
	eventually(t, "the registry says that Envoy has ended", func() string {
		var in struct{ State, Reason string }
		if err := getJSON(fmt.Sprintf("http://%s/v1/instances/users/127.0.0.1:%d", m.http, withoutEnvoy.ingress), &in); err != nil {
			return err.Error()
		}
		if in.State != "unhealthy" || in.Reason != "not envoy ready: envoy ended with status 137" {
			return fmt.Sprintf("%+v", in)
		}
		return ""
	})
	eventually(t, "Envoy is started again", func() string { return m.stateOf("users", withoutEnvoy.ingress, "healthy") })

	withoutAgent.last = func() {}
	kill(withoutAgent.Process.Pid)
	withoutAgent.wait(t)
	eventually(t, "the server says that the proxy has left", func() string {
		if said := m.run("status"); !strings.Contains(said, "127.0.0.1:"+strconv.Itoa(withoutAgent.ingress)) || !strings.Contains(said, "left") {
			return said
		}
		return ""
	})
	if state := m.stateOf("users", withoutAgent.ingress, "healthy"); state != "" {
		t.Errorf("the lease of the killed agent: %s", state)
	}

	for text, in := range map[string]*instance{
		`level=ERROR msg="application ended" status=137`:                                       withoutApplication,
		`level=ERROR msg="envoy ended: starting it again" error="envoy ended with status 137"`: withoutEnvoy,
	} {
		for _, i := range all {
			if has := strings.Contains(i.output.String(), text); has != (i == in) {
				t.Errorf("the log of %s has %q: %v", i.name, text, has)
			}
		}
	}
}

// application returns the process ID of an agent's application.
func (i *instance) application(t *testing.T) int {
	t.Helper()
	envoy := strconv.Itoa(i.envoy(t))
	for _, child := range i.children(t) {
		if pid, err := strconv.Atoi(child); err == nil && child != envoy {
			return pid
		}
	}
	t.Fatal("the agent has no application")
	return 0
}
