package envoy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

const grpcDocuments = `
kind: Service
name: web
calls: [payments]
---
kind: Service
name: payments
ports: [9090/grpc]
health: tcp
traffic: {timeout: 300ms}
`

// silent is an HTTP/2 server that never answers. It ignores grpc-timeout: a server that honors it gives up at the
// same moment as the sidecar, and either of them could be first.
func silent(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestGRPCDeadline makes a call that takes longer than the manifest allows. It ends with DEADLINE_EXCEEDED and not
// with UNAVAILABLE, which suggests a retry.
func TestGRPCDeadline(t *testing.T) {
	egress := machine.FreePorts(t, 1)[0]
	runStatic(t, grpcDocuments, mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Egress: egress}}, "",
		endpointsOf(t, "payments", silent(t).URL))
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", egress), grpc.WithAuthority("payments"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the call ends with %v, want DeadlineExceeded", err)
	}
	if ctx.Err() != nil {
		t.Error("the call was not ended by the sidecar")
	}
}
