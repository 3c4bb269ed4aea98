//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// traits say when a fault is injected.
type traits uint8

const (
	short  traits = 1 << iota // also in the short form
	times                     // needs leases and a clock as [build] changes them
	shared                    // needs several servers, which share a store
)

// has reports whether t includes every trait of others.
func (t traits) has(others traits) bool { return t&others == others }

// row is one fault.
type row struct {
	name   string
	traits traits
	// fault makes something go wrong; traffic then flows for hold, and heal mends it. Without heal it mends itself.
	fault func(ctx context.Context, f *fleet) error
	hold  time.Duration
	heal  func(ctx context.Context, f *fleet) error
}

// How long a fault lasts.
const (
	briefly   = 3 * time.Second
	aWhile    = 6 * time.Second
	longHold  = 12 * time.Second
	pastLease = 45 * time.Second // the lab's leases last 40 s
)

// matrix lists all faults.
func matrix() []row {
	return []row{
		{"nothing", short, nothing, briefly, nil},
		{"one server killed", short | shared, killServers(1), aWhile, startServers},
		{"all servers killed", short, killServers(all), aWhile, startServers},
		{"all servers killed, then an Envoy", 0, inTurn(killServers(all), killEnvoy), aWhile, startServers},
		{"all servers killed, then a gRPC program restarted", 0, inTurn(killServers(all), restartDesk), aWhile, startServers},
		{"all servers killed, then an agent restarted", 0, inTurn(killServers(all), killAgent, startDead), aWhile, startServers},
		{"a server restarted during a change", short, inTurn(edit, restartServer), aWhile, nil},
		{"an agent killed", short, killAgent, aWhile, startDead},
		{"an Envoy killed", short, killEnvoy, aWhile, nil},
		{"an application killed", 0, killApplication, aWhile, startDead},
		{"an instance stopped while no server answers", 0, inTurn(killServers(all), stopAgent), aWhile, inTurn(startServers, startDead)},
		{"every instance replaced, one after another", short, replaceInstances, 0, nil},
		{"every agent upgraded in place, one after another", 0, upgradeAgents, aWhile, nil},
		{"every server restarted, one after another", shared | short, restartServersInTurn, 0, nil},
		{"a host frozen and thawed", 0, freezeHost, longHold, thawHost},
		{"a host without its cable", 0, pullCable, longHold, plugCable},
		{"an agent cut off for longer than its lease", times, pullCable, pastLease, plugCable},
		{"a server's clock stepped by an hour", times, inTurn(stepServersClock, killAgent, startDead), aWhile, nil},
		{"a server's disk full", 0, inTurn(fillDisk, killAgent, startDead), aWhile, emptyDisk},
		{"half of all instances gone", 0, killHalf, aWhile, startDead},
		{"20 % of packets to an instance and a server lost", 0, losePackets, longHold, hearAll},
		{"a slow link to a server", 0, slowLink, longHold, fastLink},
		{"200 ms of delay to every server, then an agent restarted", 0, inTurn(delayServers, edit, killAgent, startDead, awaitConverged), aWhile, undelayServers},
		{"the store killed", short | shared, killStore, aWhile, startStore},
		{"the store killed while an instance joins", shared, inTurn(killStore, killAgent, startDead), aWhile, startStore},
		{"the store killed, an instance stopped and its server restarted", shared, inTurn(killStore, stopAgent, restartServer), aWhile, inTurn(startStore, startDead)},
		{"the store wiped, then a server without data", shared, wipeStore, longHold, emptyServer},
		{"the store cut off from one server while an instance joins", shared, inTurn(cutStore, killAgent, startDead), longHold, hearAll},
		{"the store paused while an instance joins", shared, inTurn(pauseStore, killAgent, startDead), longHold, resumeStore},
	}
}

type step = func(ctx context.Context, f *fleet) error

// all is every server.
const all = -1

// inTurn is one step after the other.
func inTurn(steps ...step) step {
	return func(ctx context.Context, f *fleet) error {
		for _, s := range steps {
			if err := s(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
}

// awaitConverged waits until the mesh is complete although the fault is not healed yet.
func awaitConverged(ctx context.Context, f *fleet) error {
	_, _, err := eventually(ctx, convergeLimit, f.converged)
	return err
}

func nothing(context.Context, *fleet) error { return nil }

func killServers(n int) step {
	return func(_ context.Context, f *fleet) error {
		for i, s := range f.servers {
			if n == all || i < n {
				s.kill()
			}
		}
		return nil
	}
}

func startServers(_ context.Context, f *fleet) error {
	for _, s := range f.servers {
		if s.running() != nil {
			if err := s.restart(); err != nil {
				return err
			}
		}
	}
	return nil
}

// startDead starts every instance again whose agent has ended.
func startDead(_ context.Context, f *fleet) error {
	for _, p := range f.instances() {
		if p.running() != nil {
			if err := p.restart(); err != nil {
				return err
			}
		}
	}
	return nil
}

func restartServer(_ context.Context, f *fleet) error {
	f.servers[0].kill()
	return f.servers[0].restart()
}

// edit changes a setting that reaches every caller of users.
func edit(_ context.Context, f *fleet) error {
	f.edits++
	text := fmt.Sprintf("%s---\nkind: Service\nname: edited-%d\nports: [80]\n", documents, f.edits)
	temporary := f.file("mesh.tmp")
	return errors.Join(os.WriteFile(temporary, []byte(text), 0o644), os.Rename(temporary, f.file("mesh/mesh.yaml")))
}

func killAgent(_ context.Context, f *fleet) error { f.users[0].kill(); return nil }

// stopAgent stops an instance in an orderly way.
func stopAgent(_ context.Context, f *fleet) error { f.users[0].stop(); return nil }

// replaceInstances is a rolling deploy of both services.
func replaceInstances(ctx context.Context, f *fleet) error {
	for _, p := range f.called() {
		if err := f.renew(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// upgradeAgents makes all agents replace their programs, also those of the callers, while their applications and Envoys
// run on.
func upgradeAgents(ctx context.Context, f *fleet) error {
	for _, p := range f.instances() {
		if err := p.upgrade(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restartServersInTurn is a rolling upgrade of all servers.
func restartServersInTurn(ctx context.Context, f *fleet) error {
	for _, s := range f.servers {
		if err := f.renew(ctx, s.part); err != nil {
			return err
		}
	}
	return nil
}

// renew stops a part in an orderly way, starts it again, and waits until the mesh is complete.
func (f *fleet) renew(ctx context.Context, p *part) error {
	p.stop()
	if err := p.start(); err != nil {
		return err
	}
	if _, _, err := eventually(ctx, convergeLimit, f.converged); err != nil {
		return fmt.Errorf("after %s was replaced: %w", p.name, err)
	}
	return nil
}

func killEnvoy(ctx context.Context, f *fleet) error {
	return f.users[0].killOnly(ctx, f.envoy)
}

// killApplication kills the application of an instance, which its agent started.
func killApplication(ctx context.Context, f *fleet) error {
	return f.users[0].host.SignalChildren(ctx, f.users[0].process.PID(), syscall.SIGKILL, filepath.Base(f.doyen))
}

func freezeHost(ctx context.Context, f *fleet) error { return f.users[0].freeze(ctx) }
func thawHost(ctx context.Context, f *fleet) error   { return f.users[0].thaw(ctx) }
func pullCable(ctx context.Context, f *fleet) error  { return f.users[0].host.Pull(ctx) }
func plugCable(ctx context.Context, f *fleet) error  { return f.users[0].host.Plug(ctx) }

// stepServersClock sets the first server's clock an hour ahead.
func stepServersClock(_ context.Context, f *fleet) error {
	f.servers[0].process.Signal(syscall.SIGUSR2)
	return nil
}

func killHalf(_ context.Context, f *fleet) error {
	for _, p := range slices.Concat(f.users[:(len(f.users)+1)/2], f.quotes[:len(f.quotes)/2]) {
		p.kill()
	}
	return nil
}

func losePackets(ctx context.Context, f *fleet) error {
	const percent = 20
	return errors.Join(f.users[0].host.Lose(ctx, percent), f.servers[0].host.Lose(ctx, percent))
}

func hearAll(ctx context.Context, f *fleet) error {
	return errors.Join(f.users[0].host.Hear(ctx), f.servers[0].host.Hear(ctx))
}

func slowLink(ctx context.Context, f *fleet) error { return f.servers[0].host.Slow(ctx, "256kbit") }
func fastLink(ctx context.Context, f *fleet) error { return f.servers[0].host.Fast(ctx) }

// emptyServer starts the last server with nothing on its disk, so that it learns all from the store.
func emptyServer(_ context.Context, f *fleet) error {
	s := f.servers[len(f.servers)-1]
	s.kill()
	entries, err := os.ReadDir(s.data)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.data, e.Name())); err != nil {
			return err
		}
	}
	return s.restart()
}

func killStore(_ context.Context, f *fleet) error     { f.store.kill(); return nil }
func startStore(_ context.Context, f *fleet) error    { return f.store.restart() }
func pauseStore(ctx context.Context, f *fleet) error  { return f.store.freeze(ctx) }
func resumeStore(ctx context.Context, f *fleet) error { return f.store.thaw(ctx) }

func cutStore(ctx context.Context, f *fleet) error {
	return f.servers[0].host.Ignore(ctx, f.store.host)
}
