// Linear serves clusters and their endpoints to every node alike, from two sources behind one mux: clusters
// change seldom and together, in a snapshot; endpoints change one by one, in a linear cache.
//
//	linear -xds 127.0.0.1:18000 -http 127.0.0.1:18001
//	curl -X PUT    http://127.0.0.1:18001/users/10.0.0.7:8080
//	curl -X DELETE http://127.0.0.1:18001/users/10.0.0.7:8080
//
// A change of one endpoint costs the same whether there are ten services or ten thousand: only the clients
// that ask for its service are sent anything.
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "linear: error:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It writes a line that begins with "ready" to stderr when it accepts.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("linear", flag.ContinueOnError)
	flags.SetOutput(stderr)
	xdsAddress := flags.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	httpAddress := flags.String("http", "127.0.0.1:18001", "`address` for changes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	streams, err := net.Listen("tcp", *xdsAddress)
	if err != nil {
		return err
	}
	changes, err := net.Listen("tcp", *httpAddress)
	if err != nil {
		streams.Close()
		return err
	}
	fmt.Fprintln(stderr, "ready", streams.Addr(), changes.Addr())
	return serve(ctx, streams, changes, newServices())
}

// serve serves xDS clients on one listener and takes changes on another until ctx ends.
func serve(ctx context.Context, streams, changes net.Listener, of *services) error {
	engine := xds.NewServer(of.source(), xds.ServerOptions{Identifier: "linear example"})
	server := grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(server)
	api := &http.Server{Handler: of.handler()}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(streams) })
	group.Go(func() error {
		if err := api.Serve(changes); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		engine.Shutdown() // before Stop, so that clients are told that the server shuts down
		server.Stop()
		return api.Close()
	})
	return group.Wait()
}
