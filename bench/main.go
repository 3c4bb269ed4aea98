// Bench compares doyen's xDS engine with go-control-plane and measures the doyen program.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
	"github.com/doyen-mesh/doyen/bench/workload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == serve.ChildArgument {
		if err := serve.Child(ctx, os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench server:", err)
			os.Exit(1)
		}
		return
	}
	server := flag.String("server", serve.PeerLinear, "")
	protocol := flag.String("protocol", "delta", "")
	clients := flag.Int("clients", 100, "")
	clusters := flag.Int("clusters", 100, "")
	views := flag.Int("views", 0, "")
	subset := flag.Int("subset", 0, "")
	singles := flag.Int("singles", 3, "")
	rate := flag.Duration("rate", 3*time.Second, "")
	profile := flag.String("profile", "", "")
	flag.Parse()
	r, err := compare.Scenario{Group: "try", Server: *server, Protocol: fleet.Protocol(*protocol), Clients: *clients,
		Shape:   workload.Shape{Clusters: *clusters, Endpoints: 10, Views: *views, Subset: *subset},
		Singles: *singles, Rate: *rate, Idle: time.Second}.Run(ctx, compare.Options{PerConnection: 100, ProfileDir: *profile})
	fmt.Printf("sync %+v\nmemory %+v\nchange %+v\nrate %+v\nidle %.4f verified %v err %v\n", r.Sync, r.Memory, r.Change, r.Rate, r.IdleCores, r.Verified, err)
}
