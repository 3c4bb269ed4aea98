package envoy_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

const grpcDocuments = `
kind: Service
name: web
calls: [payments]
---
kind: Service
name: payments
ports: [9090/grpc]
health: grpc
traffic: {timeout: 300ms}
`

// slowHealth never answers for the service "slow".
type slowHealth struct{ *health.Server }

func (s slowHealth) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if r.GetService() == "slow" {
		<-ctx.Done()
	}
	return s.Server.Check(ctx, r)
}

// TestGRPCDeadline calls a gRPC service through a sidecar: a call is answered, and one that takes longer than the
// manifest allows ends with DEADLINE_EXCEEDED and not with UNAVAILABLE, which invites another try.
func TestGRPCDeadline(t *testing.T) {
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, slowHealth{health.NewServer()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	egress := freePort(t)
	runStatic(t, grpcDocuments, mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Egress: egress}}, "",
		endpointsOf(t, "payments", l.Addr().String()))

	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", egress), grpc.WithAuthority("payments"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := healthpb.NewHealthClient(conn)
	if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "slow"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call that takes too long ends with %v, want DeadlineExceeded", err)
	}
	if ctx.Err() != nil {
		t.Error("the call was not ended by the sidecar")
	}
}
