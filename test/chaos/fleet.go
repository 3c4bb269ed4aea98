//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/process"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/traffic"
	"github.com/doyen-mesh/doyen/test/chaos/lab"
)

// The whole fleet may take startLimit, and startEach for each Envoy, until it is converged for the first time.
const (
	startLimit = time.Minute
	startEach  = 3 * time.Second
)

// programs are the executables that the fleet consists of.
type programs struct {
	doyen, envoy, redis string
	self                string // this program, which sends the load
	keep                bool   // the folder with logs, documents and data stays
}

// size is how large a fleet is.
type size struct {
	servers int // one server has no store
	envoys  int // one is the caller's, the others are those of users
	rate    int // requests a second of each caller
}

// usual is the size with which the matrix is meant to run.
var usual = size{servers: 3, envoys: 4, rate: 100}

// fleet is a mesh in the lab: servers, a store if they share one, instances, and callers under steady traffic.
//
//	caller (Envoy) ----> users-1..3 (Envoy)      HTTP
//	desk (gRPC)    ----> quotes-1..2 (gRPC)      proxyless
type fleet struct {
	programs
	size    size
	network *lab.Network
	dir     string
	store   *part // nil when the servers do not share one
	servers []*server
	callers []*part // agents of those who call
	users   []*part
	quotes  []*part
	loads   []*load
	relays  []*part // those in front of servers while these are delayed
	edits   int     // documents added by edit

	emptied  emptied
	watching sync.WaitGroup
	unwatch  context.CancelFunc
}

// server is one doyen server.
type server struct {
	*part
	admin    *client.Client
	registry *registryclient.Client
	data     string
}

// load is steady traffic from one caller.
type load struct {
	name   string
	meter  *traffic.Meter
	before traffic.Figures // of the programs that sent it before
	part   *part           // the program that sends it
}

const (
	documents = `kind: Mesh
name: lab
defaults:
  timeout: 4s
  outliers: {consecutiveErrors: 3, ejectFor: 5s}
---
kind: Service
name: users
ports: [8080]
health: {http: /healthz, interval: 1s}
traffic:
  retries: {attempts: 3, on: [connect-failure, refused-stream, reset-before-request, reset, gateway-error], perTryTimeout: 1s}
---
kind: Service
name: quotes
ports: [50051/grpc]
health: {grpc: "", interval: 1s}
traffic:
  retries: {attempts: 3, on: [unavailable]}
---
kind: Service
name: caller
ports: [8080]
health: {http: /healthz, interval: 1s}
calls: [users]
---
kind: Service
name: desk
ports: [50052/grpc]
health: {grpc: ""}
calls: [quotes]
`
	grpcPort, httpPort, storePort = 18000, 18001, 6379
	egressPort                    = 9001
)

// newFleet starts servers (with a store between them if there are several) and everything else, and waits until the
// mesh is converged.
func newFleet(ctx context.Context, p programs, s size) (*fleet, error) {
	dir, err := os.MkdirTemp("", "doyen-chaos-")
	if err != nil {
		return nil, err
	}
	f := &fleet{programs: p, size: s, dir: dir, unwatch: func() {}}
	if err := f.build(ctx); err != nil {
		return f, err
	}
	if _, _, err = eventually(ctx, startLimit+time.Duration(s.envoys)*startEach, f.converged); err != nil {
		return f, err
	}
	ctx, f.unwatch = context.WithCancel(ctx)
	for _, s := range f.servers {
		if err := f.emptied.watch(ctx, s, &f.watching); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *fleet) build(ctx context.Context) (err error) {
	if err := os.MkdirAll(f.file("mesh"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(f.file("mesh/mesh.yaml"), []byte(documents), 0o644); err != nil {
		return err
	}
	if f.network, err = lab.New(ctx); err != nil {
		return err
	}
	var options []string
	if f.size.servers > 1 {
		if err := f.startStore(ctx); err != nil {
			return err
		}
		options = []string{"--store", fmt.Sprintf("redis://%v:%d", f.store.host.IP, storePort)}
	}
	for i := range f.size.servers {
		if err := f.startServer(ctx, fmt.Sprintf("server-%d", i+1), options); err != nil {
			return err
		}
	}
	for i := range f.size.envoys - 1 {
		if err := f.startInstance(ctx, &f.users, "users", i+1); err != nil {
			return err
		}
	}
	for i := range 2 {
		if err := f.startInstance(ctx, &f.quotes, "quotes", i+1, "--no-envoy", "--port", "50051"); err != nil {
			return err
		}
	}
	return f.startCallers(ctx)
}

func (f *fleet) file(name string) string { return filepath.Join(f.dir, name) }

// newPart adds a host with a program that is not started yet.
func (f *fleet) newPart(ctx context.Context, name string) (*part, error) {
	host, err := f.network.Host(ctx, name)
	if err != nil {
		return nil, err
	}
	return &part{name: name, host: host, log: f.file(name + ".log")}, nil
}

func (f *fleet) startStore(ctx context.Context) (err error) {
	if f.store, err = f.newPart(ctx, "store"); err != nil {
		return err
	}
	f.store.command = process.Command{Path: f.redis, Args: []string{
		"--port", fmt.Sprint(storePort), "--bind", f.store.host.IP.String(), "--protected-mode", "no", "--save", "", "--dir", f.dir,
	}}
	return f.store.start()
}

func (f *fleet) startServer(ctx context.Context, name string, options []string) error {
	p, err := f.newPart(ctx, name)
	if err != nil {
		return err
	}
	s := &server{part: p, data: f.file(name + ".data")}
	if err := mountDisk(s.data); err != nil {
		return err
	}
	p.command = process.Command{Path: f.doyen, Env: f.environment(), Args: append([]string{
		"server", "--config", f.file("mesh"), "--data", s.data,
		"--grpc", at(p.host.IP, grpcPort), "--http", at(p.host.IP, httpPort),
	}, options...)}
	base := "http://" + at(p.host.IP, httpPort)
	if s.admin, err = client.New(base, nil); err != nil {
		return err
	}
	if s.registry, err = registryclient.New(base, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}); err != nil {
		return err
	}
	f.servers = append(f.servers, s)
	return p.start()
}

// startInstance adds an instance of a service to a list of parts, with its agent and proxy.
func (f *fleet) startInstance(ctx context.Context, parts *[]*part, service string, number int, options ...string) error {
	p, err := f.newPart(ctx, fmt.Sprintf("%s-%d", service, number))
	if err != nil {
		return err
	}
	*parts = append(*parts, p)
	f.agent(p, service, options, f.doyen, "demo-app", service, p.name)
	return p.start()
}

// stateDir is the state folder of the agent of p.
func (f *fleet) stateDir(p *part) string { return f.file("state/" + p.name) }

// agent makes p the agent of a service that runs an application.
func (f *fleet) agent(p *part, service string, options []string, application ...string) {
	var servers, xds []string
	for _, s := range f.servers {
		servers = append(servers, "http://"+at(s.host.IP, httpPort))
		xds = append(xds, at(s.host.IP, grpcPort))
	}
	args := []string{
		"agent", "--service", service, "--address", p.host.IP.String(), "--drain-timeout", "10s",
		"--server", strings.Join(servers, ","), "--xds", strings.Join(xds, ","),
		"--envoy", f.envoy, "--envoy-concurrency", "1", "--state-dir", f.stateDir(p),
	}
	args = append(append(args, options...), "--")
	p.command = process.Command{Path: f.doyen, Args: append(args, application...), Env: f.environment()}
}

// startCallers starts the two programs that call, and the traffic.
func (f *fleet) startCallers(ctx context.Context) error {
	http := &load{name: "HTTP through Envoys", meter: &traffic.Meter{}}
	grpc := &load{name: "proxyless gRPC", meter: &traffic.Meter{}}
	rate := fmt.Sprintf("%s=%d", rateVariable, f.size.rate)
	f.loads = []*load{http, grpc}
	for _, service := range []string{"caller", "desk"} {
		p, err := f.newPart(ctx, service)
		if err != nil {
			return err
		}
		f.callers = append(f.callers, p)
	}
	caller, desk := f.callers[0], f.callers[1]
	f.agent(caller, "caller", nil, f.doyen, "demo-app", "users", "caller")
	f.agent(desk, "desk", []string{"--no-envoy", "--port", "50052"}, f.self)
	desk.command.Env = append(desk.command.Env, programVariable+"=desk", rate)
	desk.command.Stdout = &traffic.Reader{Meter: grpc.meter}
	grpc.part = desk
	http.part = &part{name: "load", host: caller.host, log: f.file("load.log"), command: process.Command{
		Path: f.self, Env: append(f.environment(), programVariable+"=load", rate), Stdout: &traffic.Reader{Meter: http.meter},
	}}
	for _, p := range []*part{caller, desk, http.part} {
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// environment is this program's own without what doyen and gRPC read.
func (f *fleet) environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "DOYEN_") && !strings.HasPrefix(e, "GRPC_") {
			env = append(env, e)
		}
	}
	return append(env, "TMPDIR="+f.dir, "HOME="+f.dir)
}

// close ends the fleet. What is left of its processes ends with the lab.
func (f *fleet) close() error {
	f.unwatch()
	f.watching.Wait()
	parts := slices.Concat(f.instances(), f.relays)
	for _, s := range f.servers {
		parts = append(parts, s.part)
	}
	if f.store != nil {
		parts = append(parts, f.store)
	}
	if len(f.loads) > 0 && f.loads[0].part != nil {
		parts = append(parts, f.loads[0].part)
	}
	for _, p := range parts {
		if p.process != nil {
			p.kill()
		}
	}
	for _, s := range f.servers {
		_ = syscall.Unmount(s.data, 0) // it may not be mounted yet
	}
	if f.keep {
		return nil
	}
	return os.RemoveAll(f.dir)
}

// instances are the parts that are registered as instances.
func (f *fleet) instances() []*part {
	return slices.Concat(f.called(), f.callers)
}

// called are the instances of the services that are called.
func (f *fleet) called() []*part { return slices.Concat(f.users, f.quotes) }

func at(ip netip.Addr, port int) string { return netip.AddrPortFrom(ip, uint16(port)).String() }
