//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	_ "google.golang.org/grpc/xds" // resolves xds:///NAME

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// programVariable makes this executable run as one of the fleet's programs, rateVariable is how many requests it sends
// a second.
const (
	programVariable = "LAB_PROGRAM"
	rateVariable    = "LAB_RATE"
)

const (
	callTimeout = 4 * time.Second
	retryFirst  = 100 * time.Millisecond // pause between the calls before the first answer
)

// fleetPrograms are the programs of the fleet that are not doyen's, by name.
var fleetPrograms = map[string]func(ctx context.Context) error{
	"load":  callThroughEnvoy,
	"desk":  callProxyless,
	"delay": relayDelayed,
}

// runProgram runs the named program until it is told to end.
func runProgram(name string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := fleetPrograms[name](ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// callThroughEnvoy calls users through the egress of its host.
func callThroughEnvoy(ctx context.Context) error {
	egress := traffic.NewCaller(fmt.Sprintf("http://127.0.0.1:%d", egressPort))
	defer egress.Close()
	return steadily(ctx, func(ctx context.Context) (string, error) {
		a, err := egress.Call(ctx, "users", "/")
		return a.Instance, err
	})
}

// callProxyless calls the health service of quotes, which gRPC resolves by xDS, and serves its own health.
func callProxyless(ctx context.Context) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("DOYEN_ADDRESS"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	conn, err := grpc.NewClient("xds:///quotes", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	quotes := healthv1.NewHealthClient(conn)
	return steadily(ctx, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		_, err := quotes.Check(ctx, &healthv1.HealthCheckRequest{})
		return "", err
	})
}

// steadily calls until ctx ends, from the first answer on, and writes the figures to stdout.
func steadily(ctx context.Context, call func(context.Context) (string, error)) error {
	rate, err := strconv.Atoi(os.Getenv(rateVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", rateVariable, err)
	}
	for {
		if _, err := call(ctx); err == nil {
			break
		}
		if err := pause(ctx, retryFirst); err != nil {
			return nil
		}
	}
	var m traffic.Meter
	go traffic.Report(ctx, &m, os.Stdout)
	traffic.Steadily(ctx, rate, &m, func() (string, error) { return call(context.WithoutCancel(ctx)) })
	return nil
}
