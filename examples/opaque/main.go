// Opaque serves resources of a type that nobody knows, feature flags of an application, to clients that speak
// xDS: to the engine a resource is a name and bytes. It also shows what a server can learn of its clients.
//
//	opaque -xds 127.0.0.1:18000 -http 127.0.0.1:18001
//	curl -X PUT --data dark http://127.0.0.1:18001/flags/theme
//	curl http://127.0.0.1:18001/status
//	curl http://127.0.0.1:18001/events
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/xds"
)

// flagType is a type URL of this program. Servers and clients agree on the meaning of its bytes: here, plain text.
const flagType = "type.googleapis.com/example.FeatureFlag"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "opaque: error:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It writes a line that begins with "ready" to stderr when it accepts.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("opaque", flag.ContinueOnError)
	flags.SetOutput(stderr)
	xdsAddress := flags.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	httpAddress := flags.String("http", "127.0.0.1:18001", "`address` for flags and status")
	if err := flags.Parse(args); err != nil {
		return err
	}
	streams, err := net.Listen("tcp", *xdsAddress)
	if err != nil {
		return err
	}
	requests, err := net.Listen("tcp", *httpAddress)
	if err != nil {
		streams.Close()
		return err
	}
	fmt.Fprintln(stderr, "ready", streams.Addr(), requests.Addr())
	return serve(ctx, streams, requests)
}

// serve serves xDS clients on one listener and people on another until ctx ends.
func serve(ctx context.Context, streams, requests net.Listener) error {
	cache, seen := xds.NewLinearCache(flagType), &events{}
	engine := xds.NewServer(cache, xds.ServerOptions{Identifier: "opaque example", Callbacks: seen.callbacks()})
	server := grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(server)
	pages := &http.Server{Handler: handler(cache, engine, seen)}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(streams) })
	group.Go(func() error {
		if err := pages.Serve(requests); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		engine.Shutdown() // before Stop, so that clients are told that the server shuts down
		server.Stop()
		return pages.Close()
	})
	return group.Wait()
}
