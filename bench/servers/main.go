// Servers measures servers that share instances through a Redis, which it starts:
//
//	cd bench && go run ./servers -instances 100000
//
// It prints how long after a check-in at one server a stream of another one has the endpoint; how soon
// servers that begin with nothing are ready and have every instance; and what renewals cost each of them.
// With -churn it measures instead what changes cost one server without a store, and how long they take to
// reach its streams.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/bench/server"
)

type options struct {
	doyen               string
	instances, services int
	rounds              int
	load                time.Duration
	servers             int
	churn               bool
}

func main() {
	o := options{servers: 3}
	flag.StringVar(&o.doyen, "doyen", "../bin/doyen", "the doyen program")
	flag.IntVar(&o.instances, "instances", 100_000, "number of instances")
	flag.IntVar(&o.services, "services", 2_000, "number of their services")
	flag.IntVar(&o.rounds, "rounds", 200, "check-ins whose propagation is measured")
	flag.DurationVar(&o.load, "load", 20*time.Second, "how long instances check in, each every 60 s, or change")
	flag.BoolVar(&o.churn, "churn", false, "measure changes at one server")
	flag.Parse()
	if err := o.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "doyen-servers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if o.churn {
		for n, c := range churns(o.instances) {
			if err := c.run(ctx, o, filepath.Join(folder, fmt.Sprint(n))); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		return nil
	}
	store, stop, err := startRedis(folder)
	if err != nil {
		return err
	}
	defer stop()
	if err := o.propagation(ctx, filepath.Join(folder, "few"), "redis://"+store+"?prefix=few"); err != nil {
		return fmt.Errorf("propagation: %w", err)
	}
	return o.scale(ctx, filepath.Join(folder, "many"), "redis://"+store+"?prefix=many")
}

// startRedis starts a Redis that keeps nothing on disk.
func startRedis(folder string) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = listener.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	listener.Close()
	redis := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder, "--loglevel", "warning")
	if err := redis.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = redis.Process.Kill(); _ = redis.Wait() }
	for range 500 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return address, stop, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("redis-server does not listen")
}

// start starts servers of the same documents, each with a data folder of its own.
func (o options) start(ctx context.Context, folder, store string) (all []*server.Server, stop func() error, err error) {
	stop = func() (failed error) {
		for _, s := range all {
			failed = errors.Join(failed, s.Stop())
		}
		return failed
	}
	for n := range o.servers {
		own := filepath.Join(folder, fmt.Sprint(n))
		if err := writeDocuments(filepath.Join(own, "config")); err != nil {
			return nil, stop, errors.Join(err, stop())
		}
		s, err := server.Start(ctx, server.Options{Doyen: o.doyen, Folder: own, Arguments: []string{"--store", store}})
		if err != nil {
			return nil, stop, errors.Join(err, stop())
		}
		all = append(all, s)
	}
	return all, stop, nil
}

// writeDocuments writes a service that calls the one whose instances are measured.
func writeDocuments(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text := "kind: Service\nname: web\nports: 8080\ncalls: [users]\n---\nkind: Service\nname: users\nports: 8080\n"
	return os.WriteFile(filepath.Join(folder, "mesh.yaml"), []byte(text), 0o644)
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}

func printQuantiles(what string, took []time.Duration) {
	slices.Sort(took)
	fmt.Printf("%s: p50 %v, p99 %v, longest %v (%d)\n", what, quantile(took, 50), quantile(took, 99), took[len(took)-1].Round(10*time.Microsecond), len(took))
}
