package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/server"
	"github.com/doyen-mesh/doyen/bench/workload"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// churn is a load of changes at one server without a store: instances change their weight.
type churn struct {
	name                string
	services, instances int // instances of each service
	streams             int
	calls               int // services that each stream asks for, besides the one that is probed
	rate                int // changes a second, in turn over all services
}

// probed is the service whose changes are timed. All streams ask for it.
const probed mesh.ServiceName = "users"

// probeEvery is how often a change is timed.
const probeEvery = 250 * time.Millisecond

func churns(instances int) []churn {
	return []churn{
		{"500 services of 20 instances, 1,000 streams", 500, 20, 1000, 10, 500},
		{"one service of 10,000 instances, 100 streams", 1, 10_000, 100, 1, 100},
		{"a registry of 100 instances, no streams", 10, 10, 0, 0, 200},
		{fmt.Sprintf("a registry of %d instances, no streams", instances), instances / 10, 10, 0, 0, 200},
	}
}

func (c churn) service(n int) mesh.ServiceName {
	return mesh.ServiceName(fmt.Sprintf("service-%d", n%c.services))
}

func (c churn) instance(n int) registry.Instance {
	i := numbered(c.service(n), n)
	i.Weight = registry.DefaultWeight
	return i
}

// documents are the services and a caller of all that streams ask for.
func (c churn) documents() string {
	var text strings.Builder
	calls := []string{string(probed)}
	for n := range c.services {
		if c.calls > 0 {
			calls = append(calls, string(c.service(n)))
			fmt.Fprintf(&text, "---\nkind: Service\nname: %s\nports: 8080\n", c.service(n))
		}
	}
	return fmt.Sprintf("kind: Service\nname: web\nports: 8080\ncalls: [%s]\n---\nkind: Service\nname: %s\nports: 8080\n%s", strings.Join(calls, ", "), probed, text.String())
}

// run makes the load for a while, and prints what it costs and how long changes take.
func (c churn) run(ctx context.Context, o options, folder string) (err error) {
	if err := os.MkdirAll(filepath.Join(folder, "config"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "config", "mesh.yaml"), []byte(c.documents()), 0o644); err != nil {
		return err
	}
	s, err := server.Start(ctx, server.Options{Doyen: o.doyen, Folder: folder})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	api, err := client.New("http://"+s.HTTP, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}})
	if err != nil {
		return err
	}
	defer api.Close()
	total := c.services * c.instances
	checkIn := func(i registry.Instance) error { _, err := api.CheckIn(ctx, i); return err }
	if err := eachOf(total, func(n int) error { return checkIn(c.instance(n)) }); err != nil {
		return err
	}
	watchers, err := c.watch(ctx, s)
	for _, w := range watchers {
		defer w.Close()
	}
	if err != nil {
		return err
	}
	if _, err := s.Settle(ctx); err != nil {
		return err
	}
	before, err := s.CPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	probing := make(chan error, 1)
	var took []time.Duration
	go func() { probing <- c.probe(ctx, api, watchers, begin.Add(o.load), &took) }()
	count := int(o.load.Seconds() * float64(c.rate))
	err = eachOf(count, func(n int) error {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(c.rate))))
		i := c.instance(n % total)
		i.Weight -= 1 + uint32(n/total)%50
		return checkIn(i)
	})
	elapsed := time.Since(begin)
	if err = errors.Join(err, <-probing); err != nil {
		return err
	}
	after, err := s.CPU()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %.0f changes a second cost %.0f %% of a core, %v each; %s\n", c.name, float64(count)/elapsed.Seconds(),
		100*(after-before).Seconds()/elapsed.Seconds(), ((after - before) / time.Duration(count)).Round(time.Microsecond), memory(s.PID()))
	if len(took) > 0 {
		printQuantiles("  from a check-in until each stream has it", took)
	}
	return nil
}

// watch connects the streams, in groups that ask for the same services.
func (c churn) watch(ctx context.Context, s *server.Server) (all []*fleet.Watchers, err error) {
	const group = 20
	for first := 0; first < c.streams; first += group {
		names := []string{string(probed)}
		for n := range c.calls {
			names = append(names, string(c.service(first/group*c.calls+n)))
		}
		w, err := fleet.Watch(ctx, fleet.WatchOptions{
			Address: s.GRPC, Count: group, PerConnection: group, Type: workload.AssignmentType, Names: slices.Compact(names),
			Node: func(n int) []byte { return sidecar(first + n) },
		})
		if err != nil {
			return all, err
		}
		all = append(all, w)
	}
	return all, nil
}

// probe times check-ins of the service that all streams ask for, until end.
func (c churn) probe(ctx context.Context, api *client.Client, watchers []*fleet.Watchers, end time.Time, took *[]time.Duration) error {
	for round := 0; len(watchers) > 0 && time.Now().Before(end); round++ {
		i := numbered(probed, 1<<19+round)
		for _, w := range watchers {
			w.Expect(i.Address.Addr().String())
		}
		called := time.Now()
		if _, err := api.CheckIn(ctx, i); err != nil {
			return err
		}
		for _, w := range watchers {
			arrivals, err := w.Wait(ctx)
			if err != nil {
				return err
			}
			for _, at := range arrivals {
				*took = append(*took, at.Sub(called))
			}
		}
		if _, err := api.Leave(ctx, i.Key, registry.Incarnation{}, 0); err != nil {
			return err
		}
		time.Sleep(time.Until(called.Add(probeEvery)))
	}
	return nil
}
