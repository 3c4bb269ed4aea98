package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestInstanceComesAndGoes follows an instance from its start to an end with a request in hand.
func TestInstanceComesAndGoes(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	t.Setenv("SLOW", filepath.Join(t.TempDir(), "slow"))
	r := m.run(m.options("web"))
	url := m.healthy()
	if body, err := get(t, url+"/"); err != nil || body != "users" {
		t.Fatalf("through Envoy: %q, %v", body, err)
	}
	slow := make(chan error, 1)
	go func() {
		_, err := get(t, url+"/slow")
		slow <- err
	}()
	eventually(t, "the slow request is in hand", func() bool {
		_, err := os.Stat(os.Getenv("SLOW"))
		return err == nil
	})
	r.end()
	if err := <-slow; err != nil {
		t.Errorf("the request in hand: %v", err)
	}
	r.wait(0)
	if i := m.instance(); i != nil {
		t.Errorf("still in the registry: %v", i)
	}
	wantInOrder(t, r.log.String(), "envoy ready", "application started", "state=starting", "application healthy", "state=healthy",
		"left the registry", "drained", "application ended")
}

func wantInOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			t.Errorf("the log does not have %q after what comes before it", part)
			return
		}
		text = after
	}
}

func TestInstanceLeavesWithItsApplication(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	r := m.run(m.options("web"))
	url := m.healthy()
	_, _ = get(t, url+"/exit")
	r.wait(7)
	if i := m.instance(); i != nil {
		t.Errorf("still in the registry: %v", i)
	}
}

func TestRegistryKnowsWhenTheApplicationIsUnwell(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	unwell := filepath.Join(t.TempDir(), "unwell")
	t.Setenv("UNHEALTHY", unwell)
	m.run(m.options("web"))
	m.healthy()
	if err := os.WriteFile(unwell, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m.becomes(registry.Unhealthy)
	if err := os.Remove(unwell); err != nil {
		t.Fatal(err)
	}
	m.becomes(registry.Healthy)
}

// TestStrangerAtTheApplicationsPort: the health check passes, and it is not the application that passes it.
func TestStrangerAtTheApplicationsPort(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	o := m.options("stubborn")
	stranger := &http.Server{Addr: fmt.Sprintf("127.0.0.1:%d", o.AppPorts[""]), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	listener, err := net.Listen("tcp", stranger.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() { _ = stranger.Serve(listener) }()
	r := m.run(o)
	m.healthy()
	if reason := m.instance().Reason; !strings.Contains(reason, "another program answered at "+stranger.Addr) || !strings.Contains(r.log.String(), "another program answers") {
		t.Errorf("the reason is %q, and the log\n%s", reason, r.log)
	}
	eventually(t, "the application ignores SIGTERM", func() bool { return strings.Contains(r.log.String(), "deaf from now on") })
	r.end()
	close(r.hurry)
	r.wait(128 + int(syscall.SIGKILL))
}

// TestWrongApplicationPort: the registry says what was asked, and what came of it.
func TestWrongApplicationPort(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	o := m.options("web")
	right := o.AppPorts[""]
	wrong := newPortChooser().choose("wrong", "", "127.0.0.1", 0)
	t.Setenv("ANOTHER_PORT", fmt.Sprint(right))
	o.AppPorts[""] = wrong
	r := m.run(o)
	want := fmt.Sprintf("GET http://127.0.0.1:%d/healthz: ", wrong)
	eventually(t, "the registry says why", func() bool {
		i := m.instance()
		return i != nil && i.State == registry.Starting && strings.Contains(i.Reason, want) && strings.Contains(i.Reason, "refused")
	})
	if !strings.Contains(r.log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, r.log)
	}
}

func TestEnvoyIsStartedAgain(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	pidFile := filepath.Join(t.TempDir(), "pid")
	o := m.options("web")
	o.Proxy.Path = wrapper(t, o.Proxy.Path, pidFile)
	m.run(o)
	url := m.healthy()
	if err := syscall.Kill(readPID(t, pidFile), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.becomes(registry.Unhealthy)
	m.becomes(registry.Healthy)
	eventually(t, "the new Envoy answers", func() bool {
		_, err := get(t, url+"/")
		return err == nil
	})
}

// wrapper is a script that becomes the Envoy and leaves its process ID.
func wrapper(t *testing.T, envoy, pidFile string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] || echo $$ > %s\nexec %s \"$@\"\n", pidFile, envoy)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func readPID(t *testing.T, file string) (pid int) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		_, err = fmt.Sscan(string(content), &pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestApplicationDoesNotWaitForAServer(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	o := m.options("web")
	m.run(o)
	eventually(t, "the application answers without a server", func() bool {
		body, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/", o.AppPorts[""]))
		return err == nil && body == "users"
	})
	m.start()
	if body, err := get(t, m.healthy()+"/"); err != nil || body != "users" {
		t.Errorf("through Envoy, once there is a server: %q, %v", body, err)
	}
}

func TestEndBeforeAnythingStarted(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	o := m.options("web")
	o.AppPorts = nil // so that it waits for a server
	r := m.run(o)
	eventually(t, "it waits", func() bool {
		return strings.Contains(r.log.String(), "waiting for the server to describe this service or edge")
	})
	r.end()
	r.wait(0)
}

func TestHurryCutsEverythingShort(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	r := m.run(m.options("stubborn"))
	m.becomes(registry.Starting)
	eventually(t, "the application ignores SIGTERM", func() bool { return strings.Contains(r.log.String(), "deaf from now on") })
	r.end()
	close(r.hurry)
	r.wait(128 + int(syscall.SIGKILL))
	if i := m.instance(); i != nil {
		t.Errorf("still in the registry: %v", i)
	}
}

func TestServiceWithoutManifest(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	o := m.options("web")
	o.Service = "user"
	_, err := Run(t.Context(), o)
	var refused *httpapi.Refused
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("error = %v, want the server's refusal", err)
	}
}

// TestProxylessInstance runs an application that is its own proxy: the environment leads it to the mesh,
// and callers reach it itself.
func TestProxylessInstance(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	o := m.options("web")
	o.Proxyless, o.Proxy = true, supervisor.EnvoyOptions{}
	r := m.run(o)
	url := m.healthy()
	if want := fmt.Sprintf("http://127.0.0.1:%d", o.AppPorts[""]); url != want {
		t.Errorf("checked in at %s, want %s", url, want)
	}
	env, err := get(t, url+"/environment")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(env, "DOYEN_EGRESS=http") || !strings.Contains(env, `"id":"proxyless/users/`) && !strings.Contains(env, `"id": "proxyless/users/`) {
		t.Errorf("the environment is\n%s", env)
	}
	r.end()
	r.wait(0)
}

// TestLateInstanceTriesAgain starts without a server, and when one comes a port is taken: the application
// runs on, and the instance joins once the port is free.
func TestLateInstanceTriesAgain(t *testing.T) {
	const further = `
kind: Service
name: users
ports: [{name: http, port: 8080}, {name: admin, port: 8081}]
health: {http: /healthz, interval: 200ms, timeout: 200ms}
`
	m := newTestMesh(t, further)
	o := m.options("web")
	var main int
	var taken net.Listener // where the further port would be
	eventually(t, "a free port beside a free port", func() (ok bool) {
		var err error
		if main = newPortChooser().choose("ingress", "", "", 0); main != 0 {
			taken, err = net.Listen("tcp", fmt.Sprintf(":%d", main+1))
		}
		return err == nil
	})
	o.IngressPorts[""] = main
	defer taken.Close()
	r := m.run(o)
	eventually(t, "the application runs", func() bool { return strings.Contains(r.log.String(), "application started") })
	m.start()
	eventually(t, "it says what keeps it from traffic", func() bool { return strings.Contains(r.log.String(), "is in use by another program") })
	taken.Close()
	m.healthy()
	if got := m.instance().Ports["admin"]; got != main+1 {
		t.Errorf("further port %d, want %d", got, main+1)
	}
}

// TestManifestIsFollowed adds a port to the manifest of a running instance and changes its health check.
func TestManifestIsFollowed(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	r := m.run(m.options("web"))
	m.healthy()
	main := m.instance().Address.Port()
	m.write("kind: Service\nname: users\nports: [8080, {name: admin, port: 8181}]\nhealth: {http: /nowhere/healthz, host: x, interval: 200ms, timeout: 200ms}\n")
	eventually(t, "the further port is checked in", func() bool {
		i := m.instance()
		return i != nil && i.Ports["admin"] > int(main)
	})
	m.write("kind: Service\nname: users\nports: [8080, {name: admin, port: 8181}]\nhealth: {tcp: true, port: admin, interval: 200ms, timeout: 200ms}\n")
	m.becomes(registry.Unhealthy) // nobody listens at 8181
	m.write(usersManifest)
	m.becomes(registry.Healthy)
	r.end()
	r.wait(0)
}

// TestHealthCommand checks the application with a command, which sees the application's variables, instead of the
// manifest's check, and registers what it prints.
func TestHealthCommand(t *testing.T) {
	m := newTestMesh(t, strings.Replace(usersManifest, "/healthz", "/nowhere", 1))
	m.start()
	sick := filepath.Join(t.TempDir(), "sick")
	o := m.options("web")
	o.HealthCommand = fmt.Sprintf(`test ! -e %s || { echo "no disk for $DOYEN_SERVICE"; exit 3; }`, sick)
	r := m.run(o)
	m.healthy()
	if err := os.WriteFile(sick, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.becomes(registry.Unhealthy)
	if got, want := m.instance().Reason, "not application healthy: health command exited with status 3: no disk for users"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	if err := os.Remove(sick); err != nil {
		t.Fatal(err)
	}
	m.healthy()
	r.end()
	r.wait(0)
}

// TestTranslatedAddress: callers reach the instance at an address that this machine does not have.
func TestTranslatedAddress(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	o := m.options("web")
	o.Address = netip.MustParseAddr("192.0.2.7")
	m.run(o)
	m.becomes(registry.Healthy)
	if got := m.instance().Address.Addr(); got != o.Address {
		t.Errorf("checked in at %v", got)
	}
}

// TestNothingOnDisk: a cleaner of temporary files has nothing to remove, and a killed agent nothing to leave.
func TestNothingOnDisk(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	m := newTestMesh(t, usersManifest)
	m.start()
	m.run(m.options("web"))
	m.healthy()
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v, %v: want nothing", left, err)
	}
}

// TestServerThatLostItsData learns of the instance again long before the next check-in is due.
func TestServerThatLostItsData(t *testing.T) {
	m := newTestMesh(t, usersManifest)
	m.start()
	r := m.run(m.options("web"))
	m.healthy()
	m.stop()
	m.start() // with a new data folder
	m.healthy()
	r.end()
	r.wait(0)
}
