package envoy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	grpcxds "google.golang.org/grpc/xds"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

const proxylessDocuments = `
kind: Service
name: reports
calls: [payments, slow]
---
kind: Service
name: payments
ports: [9090/grpc, {name: admin, protocol: grpc, port: 9091}]
traffic: {retries: {attempts: 2, on: [unavailable]}}
---
kind: Service
name: slow
ports: [9092/grpc]
traffic: {timeout: 300ms}
`

// TestProxyless runs a real gRPC client that finds services by each of their names, avoids an endpoint that drains,
// and ends a call at the manifest's timeout. It must accept everything that it is sent.
func TestProxyless(t *testing.T) {
	s := serve(t, mesh.Node{Role: mesh.Proxyless, Service: "reports"})
	payments, draining, admin := healthServer(t), healthServer(t), healthServer(t)
	set := endpointsOf(t, "payments", payments, draining)
	set.Endpoints[1].Draining = true
	further := endpointsOf(t, "payments", admin)
	further.Target.Port = "admin"
	s.publish(t, proxylessDocuments, set, further, endpointsOf(t, "slow", silent(t).URL))

	for name, want := range map[string]string{
		"payments": payments, "payments.mesh": payments, "admin.payments": admin, "admin.payments.mesh": admin,
	} {
		client := s.dial(t, name)
		for range 10 {
			var from peer.Peer
			if _, err := check(t, client, grpc.Peer(&from)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if from.Addr.String() != want {
				t.Errorf("%s: answered by %s, want %s", name, from.Addr, want)
			}
		}
	}
	start := time.Now()
	if _, err := check(t, s.dial(t, "slow")); status.Code(err) != codes.DeadlineExceeded || time.Since(start) > patience/2 {
		t.Errorf("slow: after %s %v, want DeadlineExceeded", time.Since(start), err)
	}
	waitFor(t, "the client has accepted everything", s.accepted)
}

// healthServer starts a gRPC server and returns its address.
func healthServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	healthpb.RegisterHealthServer(g, health.NewServer())
	done := make(chan error)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		<-done
	})
	return l.Addr().String()
}

// dial returns a client for xds:///name with the server's bootstrap.
func (s *server) dial(t *testing.T, name string) healthpb.HealthClient {
	t.Helper()
	config, err := bootstrap.GRPC(s.bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := grpcxds.NewXDSResolverWithConfigForTesting(config)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("xds:///"+name, grpc.WithResolvers(resolver),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func check(t *testing.T, client healthpb.HealthClient, options ...grpc.CallOption) (*healthpb.HealthCheckResponse, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return client.Check(ctx, &healthpb.HealthCheckRequest{}, options...)
}
