package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	adminclient "github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/redisengine"

	"github.com/doyen-mesh/doyen/bench/server"
)

// callers is how many calls at once check instances in.
const callers = 32

// scale fills a store, starts servers that know nothing, and lets instances check in at them.
func (o options) scale(ctx context.Context, folder, store string) (err error) {
	all := make([]registry.Instance, o.instances)
	for n := range all {
		all[n] = numbered(mesh.ServiceName(fmt.Sprintf("service-%d", n%o.services)), n)
	}
	if err := fill(ctx, store, all); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	begin := time.Now()
	servers, stop, err := o.start(ctx, folder, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for n, s := range servers {
		if err := o.awaitInstances(ctx, s); err != nil {
			return err
		}
		used, err := s.CPU()
		if err != nil {
			return err
		}
		fmt.Printf("server %d of %d, with nothing of its own: ready in %v; all instances took it %v of processor time\n", n+1, o.servers, s.Ready.Round(time.Millisecond), used.Round(10*time.Millisecond))
	}
	fmt.Printf("all servers have %d instances %v after the first began\n", o.instances, time.Since(begin).Round(time.Millisecond))
	for _, s := range servers { // what they do at the start is done
		if _, err := s.Settle(ctx); err != nil {
			return err
		}
	}
	return o.renew(ctx, servers, all)
}

// fill checks instances in at a registry of this process, which writes them to the store.
func fill(ctx context.Context, store string, all []registry.Instance) error {
	address, err := redisengine.ParseAddress(store)
	if err != nil {
		return err
	}
	engine, err := redisengine.Open(address, redisengine.Passwords{})
	if err != nil {
		return err
	}
	defer engine.Close()
	r, err := registry.New(ctx, registry.Options{Shared: true})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	running.Go(func() { _ = r.Run(ctx) })
	checkIn := func(n int) error {
		grant, err := r.CheckIn(ctx, all[n])
		if err == nil {
			all[n] = *grant.Instance
		}
		return err
	}
	if err := eachOf(len(all), checkIn); err != nil {
		return err
	}
	sharer := share.New(r, engine, slog.New(slog.DiscardHandler))
	begin := time.Now()
	running.Go(func() { _ = sharer.Run(ctx) })
	<-sharer.Synced()
	for sharer.Status().Unwritten > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("%d instances of one server are in the store after %v\n", len(all), time.Since(begin).Round(time.Millisecond))
	return nil
}

// eachOf calls for every number below n, callers at a time.
func eachOf(n int, call func(int) error) error {
	var next atomic.Int64
	var calling sync.WaitGroup
	failed := make(chan error, callers)
	for range callers {
		calling.Go(func() {
			for {
				at := int(next.Add(1)) - 1
				if at >= n {
					return
				}
				if err := call(at); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	calling.Wait()
	close(failed)
	return <-failed
}

func (o options) awaitInstances(ctx context.Context, s *server.Server) error {
	c, err := adminclient.New("http://"+s.HTTP, nil)
	if err != nil {
		return err
	}
	for range 6000 {
		status, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if n := status.Summary.Instances; n.Healthy == o.instances {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the server does not get all instances")
}

// renew lets every instance check in each 60 s, each at one of the servers, and prints what that costs them.
func (o options) renew(ctx context.Context, servers []*server.Server, all []registry.Instance) error {
	var clients []*client.Client
	for _, s := range servers {
		c, err := client.New("http://"+s.HTTP, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}})
		if err != nil {
			return err
		}
		defer c.Close()
		clients = append(clients, c)
	}
	before := make([]time.Duration, len(servers))
	for n, s := range servers {
		used, err := s.CPU()
		if err != nil {
			return err
		}
		before[n] = used
	}
	begin := time.Now()
	count := int(float64(len(all)) * o.load.Seconds() / 60)
	err := eachOf(count, func(n int) error {
		time.Sleep(time.Until(begin.Add(time.Duration(n) * o.load / time.Duration(count))))
		return renewOne(ctx, clients[n%len(clients)], all[n%len(all)], n)
	})
	if err != nil {
		return err
	}
	took := time.Since(begin)
	fmt.Printf("%d check-ins in %v, %.0f a second (wanted %.0f)\n", count, took.Round(time.Millisecond), float64(count)/took.Seconds(), float64(len(all))/60)
	for n, s := range servers {
		used, err := s.CPU()
		if err != nil {
			return err
		}
		fmt.Printf("server %d: %.1f %% of a core, %s\n", n+1, 100*(used-before[n]).Seconds()/took.Seconds(), memory(s.PID()))
	}
	return nil
}

// renewOne does what an agent does: of ten calls one is a check-in.
func renewOne(ctx context.Context, c *client.Client, i registry.Instance, n int) error {
	if n%registry.CheckInsPerLease == 0 {
		_, err := c.CheckIn(ctx, i)
		return err
	}
	_, err := c.Renew(ctx, i)
	return err
}

// memory is the resident memory of a process.
func memory(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			var kib int
			_, _ = fmt.Sscan(rest, &kib)
			return fmt.Sprintf("%d MiB resident", kib>>10)
		}
	}
	return "memory not known"
}
