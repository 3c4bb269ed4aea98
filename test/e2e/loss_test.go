package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestServerLosesItsData kills the server under traffic and starts it without its data: with the same documents, and
// with the same documents under another path. No request fails, instances return long before their next check-in, and
// a new service gets traffic meanwhile.
func TestServerLosesItsData(t *testing.T) {
	t.Parallel()
	const web = "kind: Service\nname: web\nports: [8080]\ncalls: [users%s]\n"
	m := newMesh(t, map[string]string{"users.yaml": loneService, "web.yaml": fmt.Sprintf(web, "")})
	m.startInstance("users", "users-1", options{})
	m.startInstance("users", "users-2", options{})
	caller := m.startInstance("web", "web-1", options{})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", caller.egress)
	answers(t, egress, "users", "users-")
	m.inSync()
	traffic := startTraffic(t, egress, "users")
	for n, prepare := range []func(){
		func() { m.data = t.TempDir() },
		func() {
			moved := filepath.Join(t.TempDir(), "moved")
			if err := os.CopyFS(moved, os.DirFS(m.folder)); err != nil {
				t.Fatal(err)
			}
			m.folder, m.data = moved, t.TempDir()
		},
	} {
		_ = syscall.Kill(-m.server.Process.Pid, syscall.SIGKILL)
		<-m.server.ended
		prepare()
		m.startServer()
		started := time.Now()
		eventually(t, "the instances are back", func() string {
			var all struct{ Instances []struct{} }
			err := getJSON("http://"+m.http+"/v1/instances/users", &all)
			return reason(err) + want("instances", len(all.Instances), 2, 2)
		})
		if took := time.Since(started); took > 30*time.Second {
			t.Errorf("the instances took %v to return: they waited for their next check-in", took)
		}
		name := fmt.Sprintf("new%d", n)
		m.write(name+".yaml", "kind: Service\nname: "+name+"\nports: [8080]\n")
		m.write("web.yaml", fmt.Sprintf(web, ", "+name))
		m.startInstance(name, name+"-1", options{})
		answers(t, egress, name, name+"-1")
		m.inSync()
	}
	traffic.mustNotFail(t)
}
