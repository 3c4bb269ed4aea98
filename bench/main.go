// Bench compares doyen's xDS engine with go-control-plane and measures the doyen program.
//
//	go run . -short              # under ten minutes
//	go run . -full -out ../docs  # everything; writes performance.md, .json and .svg
//	go run . -report ../docs     # writes the page again from the figures of the last run
//
//	go run . -short -only mesh                        # a mesh of a thousand services
//	go run . -short -only mesh -rows edit,default     # some rows of it
//	go run . -short -only mesh -rows edit -profile /tmp/profiles
//	go run . -short -only mesh -doyen-before OLD      # beside another doyen program
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/doyen-mesh/doyen/bench/mesh"
	"github.com/doyen-mesh/doyen/bench/serve"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[1] == serve.ChildArgument {
		return serve.Child(ctx, args[2], os.Stdin, os.Stdout)
	}
	if len(args) == 2 && args[1] == mesh.ChildArgument {
		return mesh.Child(ctx, os.Stdin, os.Stdout)
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.report != "" {
		return rewrite(o.report)
	}
	return o.all(ctx)
}
