package envoy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestHTTP10 sends requests like old load balancers and their health checks do, which may have no Host header.
func TestHTTP10(t *testing.T) {
	app := echo(t, "app")
	ingress, egress, edge := machine.FreePorts(t, 1)[0], machine.FreePorts(t, 1)[0], machine.FreePorts(t, 1)[0]
	const documents = `
kind: Service
name: users
ports: [8080]
calls: [users]
---
kind: Edge
name: public
listeners: [{name: plain, port: 8000, address: 127.0.0.1}]
routes: [{path: /, to: users}]
`
	runStatic(t, documents, mesh.Node{Role: mesh.Sidecar, Service: "users", Ports: mesh.Ports{
		Egress: egress, Ingress: map[mesh.PortName]int{"http": ingress}, App: map[mesh.PortName]int{"http": int(addressOf(t, app.URL).Port())},
	}}, "", endpointsOf(t, "users", app.URL))
	runStatic(t, documents, mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{Edge: map[string]int{"plain": edge}}}, "",
		endpointsOf(t, "users", app.URL))
	for _, test := range []struct {
		name, host string
		port       int
		reaches    string // the host that the application sees
	}{
		{"ingress without a host", "", ingress, "users"},
		{"ingress", "Host: api.example.com\r\n", ingress, "api.example.com"},
		{"egress", "Host: users\r\n", egress, "users"},
		{"edge", "Host: shop.example.com\r\n", edge, "shop.example.com"},
	} {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", test.port), patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "GET / HTTP/1.0\r\n%s\r\n", test.host)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK || string(body) != "app "+test.reaches+" /" {
			t.Errorf("%s: %s, %q", test.name, response.Status, body)
		}
	}
}
