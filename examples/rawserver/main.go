// Rawserver is an xDS management server for people who write xDS clients: it serves raw
// resources to named nodes, and an HTTP API says which.
//
//	rawserver -xds 127.0.0.1:18000 -http 127.0.0.1:18001
//
//	PUT    /resources?node=ID                      replace all that the node has
//	PATCH  /resources?node=ID                      add or replace some of it
//	DELETE /resources?node=ID[&type=URL[&name=N]]  give up the node's own set, or remove from it
//	GET    /resources?node=ID                      read it
//	GET    /status?node=ID                         what its streams were sent, took and refused
//	GET    /debug/pprof/                           the Go profiler; heap?gc=1 collects first
//	POST   /v3/discovery:clusters                  REST-JSON fetch, for each type (on both ports)
//
// Bodies are an envoy.service.discovery.v3.DiscoveryResponse, as application/x-protobuf or as
// application/json. Node * is what nodes without a set of their own are served. Contents are not
// validated: what is published is what clients get, to the byte.
//
// It is also the shortest example of a program around the xds package: sets.go is all there is
// between HTTP and the engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/xds"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "rawserver: error:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends and then returns nil. It writes a line that begins with "ready" to stderr when both ports
// accept connections.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("rawserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	xdsAddress := flags.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	httpAddress := flags.String("http", "127.0.0.1:18001", "`address` for the HTTP API")
	if err := flags.Parse(args); err != nil {
		return err
	}
	xdsListener, err := net.Listen("tcp", *xdsAddress)
	if err != nil {
		return err
	}
	httpListener, err := net.Listen("tcp", *httpAddress)
	if err != nil {
		xdsListener.Close()
		return err
	}
	fmt.Fprintf(stderr, "ready xds=%s http=%s\n", xdsListener.Addr(), httpListener.Addr())
	return serve(ctx, xdsListener, httpListener, slog.New(slog.NewTextHandler(stderr, nil)))
}

// serve serves on both listeners until ctx ends, and closes them.
func serve(ctx context.Context, xdsListener, httpListener net.Listener, logger *slog.Logger) error {
	sets := newSets()
	engine := xds.NewServer(sets.cache, xds.ServerOptions{Identifier: "rawserver", Logger: logger})
	// The last option of a kind counts. Tests may subscribe to more names than fit into the default of 4 MiB.
	streams := grpc.NewServer(append(xds.GRPCOptions(), grpc.MaxRecvMsgSize(maxBody))...)
	engine.Register(streams)
	fetch := &http.Server{Handler: engine.Handler()}
	api := &http.Server{Handler: newAPI(sets, engine)}
	http2, http1 := splitByPreface(xdsListener)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return unlessClosed(streams.Serve(http2)) })
	group.Go(func() error { return unlessClosed(fetch.Serve(http1)) })
	group.Go(func() error { return unlessClosed(api.Serve(httpListener)) })
	group.Go(func() error {
		<-ctx.Done()
		engine.Shutdown()
		streams.Stop()
		fetch.Close()
		api.Close()
		return nil
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// unlessClosed returns why a server ended, or nil if it was closed.
func unlessClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
