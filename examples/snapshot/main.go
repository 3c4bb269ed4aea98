// Snapshot serves an Envoy everything it needs to forward HTTP: a listener, a route configuration, a
// cluster and its endpoints, over the aggregated service.
//
//	snapshot -xds 127.0.0.1:18000 -listen 127.0.0.1:10000 127.0.0.1:8080
//	envoy -c bootstrap.yaml
//
// Every line typed afterwards, a list of addresses, is where requests go from then on. The change is in
// force without a lost request: the new endpoints are sent, and nothing else.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/xds"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "snapshot: error:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It writes a line that begins with "ready" to stderr when it accepts.
func run(ctx context.Context, args []string, lines io.Reader, stderr io.Writer) error {
	flags := flag.NewFlagSet("snapshot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	address := flags.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	node := flags.String("node", "example", "`ID` of the Envoy to serve")
	listen := flags.String("listen", "127.0.0.1:10000", "`address` that Envoy listens on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{}) // a view is a node's ID
	p := publisher{cache, *node, *listen}
	if err := p.publish(flags.Args()); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	fmt.Fprintln(stderr, "ready", listener.Addr())
	go p.follow(lines, log)
	return serve(ctx, listener, cache, log)
}

// serve serves xDS clients from a source until ctx ends.
func serve(ctx context.Context, listener net.Listener, source xds.Source, log *slog.Logger) error {
	engine := xds.NewServer(source, xds.ServerOptions{Identifier: "snapshot example", Logger: log})
	server := grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(server)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(listener) })
	group.Go(func() error {
		<-ctx.Done()
		engine.Shutdown() // before Stop, so that clients are told that the server shuts down
		server.Stop()
		return nil
	})
	return group.Wait()
}

// publisher publishes the resources of one node.
type publisher struct {
	cache        *xds.SnapshotCache
	node, listen string
}

// publish makes upstreams the addresses to which requests go.
func (p publisher) publish(upstreams []string) error {
	all, err := resources(p.listen, upstreams)
	if err != nil {
		return err
	}
	snapshot := xds.NewSnapshot(all...)
	if err := snapshot.Check(nil); err != nil {
		return err
	}
	p.cache.Publish(p.node, snapshot)
	return nil
}

// follow publishes the addresses of each line, and logs the lines that are wrong.
func (p publisher) follow(lines io.Reader, log *slog.Logger) {
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		if err := p.publish(strings.Fields(scanner.Text())); err != nil {
			log.Error("not published", "error", err)
		}
	}
}
