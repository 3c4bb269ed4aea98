package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/xds"
)

// runGRPCApp serves gRPC's health service on the port in PORT until SIGTERM. Each answer has the application's name
// in the header "app".
func runGRPCApp(name string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		_ = grpc.SetHeader(ctx, metadata.Pairs("app", name))
		if unhealthy() {
			return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}, nil
		}
		return next(ctx, request)
	}))
	healthv1.RegisterHealthServer(server, health.NewServer())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-ctx.Done()
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestProxyless runs a gRPC program without a proxy that calls a service behind sidecars, while instances stop, join
// and are killed.
func TestProxyless(t *testing.T) {
	m := newMesh(t, map[string]string{
		"mesh.yaml":     "kind: Mesh\nname: shop\ndefaults: {retries: 0}\n",
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: grpc\n",
		"reports.yaml":  "kind: Service\nname: reports\ncalls: [payments]\n",
	})
	first := m.startInstance("payments", "payments-1", options{env: []string{kindVariable + "=grpc"}})
	m.startInstance("payments", "payments-2", options{env: []string{kindVariable + "=grpc"}})

	calls := startCalls(t, m.dial("reports", "xds:///payments"))
	eventually(t, "both instances answer", func() string {
		if r := calls.soFar(); r.Apps["payments-1"] == 0 || r.Apps["payments-2"] == 0 {
			return r.String()
		}
		return ""
	})
	first.terminate()
	first.wait(t)
	third := m.startInstance("payments", "payments-3", options{env: []string{kindVariable + "=grpc"}})
	eventually(t, "the new instance answers", func() string { return answered(calls, "payments-3") })
	calls.mustNotFail(t)

	calls = startCalls(t, m.dial("reports", "xds:///payments.mesh"))
	eventually(t, "the other name works", func() string { return answered(calls, "payments-3") })
	third.kill()
	m.quiet(calls)
	r := calls.stop()
	t.Logf("an instance was killed: %v", r)
	if r.Failed > r.Sent/20 {
		t.Errorf("%d of %d calls failed, more than what a dying instance had in hand", r.Failed, r.Sent)
	}
	m.inSync()
}

// dial connects as a proxyless program of service, with the bootstrap that doyen writes.
func (m *mesh) dial(service, target string) *grpc.ClientConn {
	m.t.Helper()
	bootstrap, err := exec.Command(doyen, "bootstrap", "grpc", "--service", service, "--xds", m.grpc).Output()
	if err != nil {
		m.t.Fatalf("doyen bootstrap grpc: %v", err)
	}
	resolver, err := xds.NewXDSResolverWithConfigForTesting(bootstrap)
	if err != nil {
		m.t.Fatalf("bootstrap %s: %v", bootstrap, err)
	}
	conn, err := grpc.NewClient(target, grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	return conn
}

// startCalls is startTraffic for gRPC.
func startCalls(t *testing.T, conn *grpc.ClientConn) *traffic {
	t.Helper()
	return startRequests(t, func() (string, error) { return callGRPC(conn) })
}

// callGRPC makes one call and returns the name of the application that answered.
func callGRPC(conn *grpc.ClientConn) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var header metadata.MD
	_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.Header(&header))
	if app := header.Get("app"); err == nil && len(app) == 1 {
		return app[0], nil
	}
	return "", err
}
