//go:build linux

// Command chaos injects faults into a mesh of real servers, agents, Envoys, gRPC programs and a real store, each on a
// host of its own, under steady traffic, and prints what each fault did: requests that failed, and the time until
// everything was as before.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/test/chaos/lab"
)

func main() {
	if name := os.Getenv(programVariable); name != "" {
		os.Exit(runProgram(name))
	}
	o := parse()
	if o.list {
		for _, w := range o.rows {
			fmt.Println(w.name)
		}
		return
	}
	if err := lab.Available(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	lab.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	programs
	size       size
	rows       []row
	json, list bool
	soak       time.Duration
	seed       uint64
}

func parse() options {
	var o options
	var only string
	var brief bool
	flag.StringVar(&o.envoy, "envoy", cmp.Or(os.Getenv("DOYEN_ENVOY"), "envoy"), "`path` of the Envoy executable")
	flag.StringVar(&o.redis, "redis", "redis-server", "`path` of the Redis executable")
	flag.IntVar(&o.size.servers, "servers", usual.servers, "`number` of servers; one server has no store")
	flag.IntVar(&o.size.envoys, "envoys", usual.envoys, "`number` of Envoys: the caller's, and one for each instance of the service that it calls")
	flag.IntVar(&o.size.rate, "rate", usual.rate, "`requests` per second of each of the two callers")
	flag.StringVar(&only, "rows", "", "inject only the faults whose names match the regular `expression`")
	flag.BoolVar(&brief, "short", false, "inject the faults of the short form")
	flag.DurationVar(&o.soak, "soak", 0, "inject faults drawn at random for this `time`, instead of each one once")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "`number` that decides what is drawn")
	flag.BoolVar(&o.json, "json", false, "print one line of JSON for each fault")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder with the logs of all programs")
	flag.BoolVar(&o.list, "list", false, "list the faults, and inject none")
	flag.Parse()
	if o.size.servers < 1 || o.size.envoys < 3 || o.size.rate < 1 {
		fmt.Fprintln(os.Stderr, "chaos: want at least one server, three Envoys and one request per second")
		os.Exit(2)
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: -rows:", err)
		os.Exit(2)
	}
	for _, w := range matrix() {
		if pattern.MatchString(w.name) && (w.traits.has(short) || !brief) && (o.size.servers > 1 || !w.traits.has(shared)) {
			o.rows = append(o.rows, w)
		}
	}
	return o
}

// errBroken says that a fault did more than it may.
var errBroken = errors.New("a promise was broken: see the lines that begin with FAIL")

// run injects the faults one after another into one fleet, and begins with a new one after a fault from which the
// fleet has not recovered.
func (o options) run(ctx context.Context, w io.Writer) (err error) {
	if o.self, err = os.Executable(); err != nil {
		return err
	}
	for _, path := range []*string{&o.envoy, &o.redis} {
		if *path, err = exec.LookPath(*path); err != nil {
			return fmt.Errorf("%w: name it with -envoy or -redis", err)
		}
	}
	dir, err := os.MkdirTemp("", "doyen-chaos-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.doyen, err = build(dir, slices.ContainsFunc(o.rows, func(w row) bool { return w.traits.has(times) })); err != nil {
		return err
	}
	f, err := newFleet(ctx, o.programs, o.size)
	if o.keep {
		fmt.Fprintln(os.Stderr, "chaos: the logs are in", f.dir)
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err != nil {
		return fmt.Errorf("the mesh does not start: %w", err)
	}
	p := printer{w, o.json}
	p.head()
	if o.soak > 0 {
		return soak(ctx, f, o.rows, p, o.seed, o.soak)
	}
	var broken error
	for _, row := range o.rows {
		r := inflict(ctx, f, row)
		p.print(r)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !r.ok() {
			broken = errBroken
		}
		if r.Err != "" {
			return errors.Join(broken, errors.New("the faults after this one were not injected"))
		}
	}
	return broken
}
