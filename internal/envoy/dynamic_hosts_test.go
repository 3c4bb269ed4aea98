package envoy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// hostDocuments returns an edge with these routes, each written as host=service, and the services that they lead to.
func hostDocuments(routes ...string) string {
	var edge, services strings.Builder
	edge.WriteString("kind: Edge\nname: public\nlisteners: [{name: plain, port: 8000, address: 127.0.0.1}]\nroutes:\n")
	var seen []string
	for _, r := range routes {
		host, service, _ := strings.Cut(r, "=")
		fmt.Fprintf(&edge, "- {hosts: %q, to: %s}\n", host, service)
		if !slices.Contains(seen, service) {
			seen = append(seen, service)
			fmt.Fprintf(&services, "---\nkind: Service\nname: %s\nports: [8080]\ntraffic: {retries: 0}\n", service)
		}
	}
	return edge.String() + services.String()
}

// TestHostsChangeWithoutLoss adds, changes and removes virtual hosts of a real edge while others are under load. Each
// step sends only the hosts that it changes. A host that leads to a new service is never sent before that service.
func TestHostsChangeWithoutLoss(t *testing.T) {
	port := machine.FreePorts(t, 1)[0]
	s := serve(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{Edge: map[string]int{"plain": port}}, VHDS: true})
	blue, green, red := echo(t, "blue"), echo(t, "green"), echo(t, "red")
	s.publish(t, hostDocuments("steady.example.com=blue", "*.wild.example.com=blue"),
		endpointsOf(t, "blue", blue.URL), endpointsOf(t, "green", green.URL), endpointsOf(t, "red", red.URL))
	s.runEnvoy(t)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	leads := func(host, to string) {
		t.Helper()
		waitFor(t, host+" leads to "+to, func() error {
			a, err := get(http.DefaultClient, url, hostHeader(host))
			if to == "" && a.status == http.StatusNotFound {
				return nil
			}
			if err == nil && (to == "" || !strings.HasPrefix(a.body, to+" ")) {
				err = fmt.Errorf("answered by %q", a.body)
			}
			return err
		})
	}
	leads("steady.example.com", "blue")
	leads("a.wild.example.com", "blue")

	load := startLoadOf(url, "steady.example.com", "a.wild.example.com")
	for range 5 {
		for _, step := range []struct {
			routes []string
			leads  map[string]string // "" is nowhere
		}{
			{[]string{"steady.example.com=blue", "*.wild.example.com=blue", "new.example.com=green"},
				map[string]string{"new.example.com": "green", "a.wild.example.com": "blue"}},
			{[]string{"steady.example.com=blue", "*.wild.example.com=red", "new.example.com=green", "*=green"},
				map[string]string{"a.wild.example.com": "red", "anything.example.org": "green"}},
			{[]string{"steady.example.com=red", "*.wild.example.com=red", "new.example.com=red"},
				map[string]string{"steady.example.com": "red", "new.example.com": "red", "anything.example.org": ""}},
			{[]string{"steady.example.com=blue", "*.wild.example.com=blue"},
				map[string]string{"steady.example.com": "blue", "a.wild.example.com": "blue", "new.example.com": ""}},
		} {
			s.publish(t, hostDocuments(step.routes...))
			for host, to := range step.leads {
				leads(host, to)
			}
			waitFor(t, "Envoy has accepted everything", s.accepted)
		}
	}
	sent, failures := load.stop()
	if len(failures) > 0 || sent < 200 {
		t.Errorf("%d of %d requests failed: %v", len(failures), sent, failures[:min(len(failures), 3)])
	}
	if bad := s.stats(t, "(rejected|create_failure)"); bad != "" {
		t.Errorf("Envoy objects:\n%s", bad)
	}
	routes := s.stats(t, "http.edge_plain.rds.edge.update_success$")
	if !strings.HasSuffix(routes, ": 1") {
		t.Errorf("Envoy was sent its routes again: %q", routes)
	}

	// When the edge comes back, it gets the hosts that changed meanwhile, and no others.
	s.disconnect()
	s.publish(t, hostDocuments("steady.example.com=blue", "back.example.com=green"))
	leads("back.example.com", "green")
	leads("steady.example.com", "blue")
	leads("a.wild.example.com", "")
	waitFor(t, "Envoy has accepted everything", s.accepted)
}
