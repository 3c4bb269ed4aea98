package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"time"
)

// What the steps allow, and how long they measure.
const (
	leastRate   = 200             // requests a second on each path, or a step proves nothing
	lookFor     = 3 * time.Second // how long the figures of undisturbed traffic are collected
	mostLooks   = 3               // for the rate, on a machine that is busy with other things
	deathNotice = 2 * time.Second // after that no request may fail because of a killed instance
	afterDeath  = 4 * time.Second // how long that is looked at
	changeLimit = 20 * time.Second
)

// trafficFlows measures every path for a while: no request fails, and the rate is high enough to prove something. On
// a busy machine it measures up to three times.
func trafficFlows(ctx context.Context, s *stage) (string, error) {
	first := s.mark()
	before := first
	for look := 1; ; look++ {
		pause(ctx, lookFor)
		m := s.mark().since(before)
		slow := m.tooSlow(s.paths)
		if slow == nil || look == mostLooks {
			all := s.mark().since(first)
			return all.summary() + "; " + m.pathSummary(s.paths), errors.Join(slow, all.noneFailed())
		}
		before = s.mark()
	}
}

// stopAndJoin stops an instance behind Envoy in an orderly way and starts another: no request fails.
func stopAndJoin(ctx context.Context, s *stage) (string, error) {
	return s.replace(ctx, "users-1", "users-3", s.startInstance)
}

// stopAndJoinGRPC is stopAndJoin with proxyless instances.
func stopAndJoinGRPC(ctx context.Context, s *stage) (string, error) {
	return s.replace(ctx, "quotes-1", "quotes-3", s.startProxyless)
}

// replace stops one instance and starts another at the same time, and measures until the new one has answered and for
// a while after that.
func (s *stage) replace(ctx context.Context, old, fresh string, start func(service, name string) (*instance, error)) (string, error) {
	before, started := s.mark(), time.Now()
	leaving := s.find(old)
	leaving.agent.Signal(syscall.SIGTERM)
	joining, err := start(leaving.service, fresh)
	if err != nil {
		return "", err
	}
	if err := eventually(ctx, changeLimit, old+" ends", func() error { return hasEnded(leaving) }); err != nil {
		return "", err
	}
	left := time.Since(started)
	if err := s.answers(ctx, joining, before); err != nil {
		return "", err
	}
	joined := time.Since(started)
	pause(ctx, lookFor)
	m := s.mark().since(before)
	errs := []error{m.noneFailed()}
	if code := leaving.agent.Code(); code != 0 {
		errs = append(errs, fmt.Errorf("the agent of %s ended with status %d", old, code))
	}
	return fmt.Sprintf("%s; %s was gone after %.1f s, %s answered after %.1f s", m.summary(), old, left.Seconds(), fresh, joined.Seconds()), errors.Join(errs...)
}

// hasEnded returns nil once the instance's agent has ended.
func hasEnded(i *instance) error {
	select {
	case <-i.agent.Done():
		return nil
	default:
		return fmt.Errorf("%s still runs", i.name)
	}
}

// answers waits until the instance has answered a request since the mark.
func (s *stage) answers(ctx context.Context, i *instance, since mark) error {
	return eventually(ctx, changeLimit, i.name+" answers", func() error {
		for _, f := range s.mark().since(since) {
			if f.Answered[i.name] > 0 {
				return nil
			}
		}
		return errors.New("it has not")
	})
}

// kill kills an instance: agent, application and Envoy. Its open requests fail, and so do those sent to it before its
// callers notice. Two seconds later no request fails.
func kill(ctx context.Context, s *stage) (string, error) {
	words, err := s.killed(ctx, "users-2")
	if _, startErr := s.startInstance("users", "users-4"); startErr != nil {
		return words, errors.Join(err, startErr)
	}
	return words, errors.Join(err, s.checkedIn(ctx, s.find("users-4")))
}

func (s *stage) killed(ctx context.Context, name string) (string, error) {
	before := s.mark()
	s.find(name).agent.Kill() // the kernel kills its application and its Envoy with it
	pause(ctx, deathNotice)
	noticed := s.mark()
	pause(ctx, afterDeath)
	after := s.mark().since(noticed)
	words := fmt.Sprintf("%s in the first %v, then %s", noticed.since(before).summary(), deathNotice, after.summary())
	if err := after.noneFailed(); err != nil {
		return words, fmt.Errorf("after %v: %w", deathNotice, err)
	}
	return words, nil
}

// moveRoute edits the edge's document so that a route leads to another service, and back: no request fails.
func moveRoute(ctx context.Context, s *stage) (string, error) {
	before, started := s.mark(), time.Now()
	undo, err := s.documents.edit("edge.yaml", "path: /profile, to: users", "path: /profile, to: orders")
	if err != nil {
		return "", err
	}
	moved := s.find("orders-1")
	if err := s.answers(ctx, moved, before); err != nil {
		return "", errors.Join(err, undo())
	}
	took := time.Since(started)
	pause(ctx, time.Second)
	back := s.mark()
	if err := undo(); err != nil {
		return "", err
	}
	if err := s.answers(ctx, s.find("users-3"), back); err != nil {
		return "", err
	}
	pause(ctx, time.Second)
	m := s.mark().since(before)
	return fmt.Sprintf("%s; requests went the new way %d ms after the edit, and back again", m.summary(), took.Milliseconds()), m.noneFailed()
}

// refuseFile adds a mistake to a document: the mistake is reported with its line, and traffic continues.
func refuseFile(ctx context.Context, s *stage) (string, error) {
	before := s.mark()
	undo, err := s.documents.edit("users.yaml", "owner:", "ownr:")
	if err != nil {
		return "", err
	}
	said := ""
	err = eventually(ctx, changeLimit, "the mistake is reported", func() error {
		status, err := s.client.Status(ctx)
		if err != nil {
			return err
		}
		for _, p := range status.Config.Problems {
			if p.File == "users.yaml" && p.Line > 0 {
				said = fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
				return nil
			}
		}
		return fmt.Errorf("%s has no problem that says so", filepath.Join(s.documents.dir, "users.yaml"))
	})
	pause(ctx, time.Second)
	m := s.mark().since(before)
	return fmt.Sprintf("%s; %s", m.summary(), said), errors.Join(err, m.noneFailed(), undo())
}

// serverAway stops the server, kills an instance and starts it again: traffic continues, because the callers' proxies
// detect the failure themselves, and the instance starts from what its agent has on disk.
func serverAway(ctx context.Context, s *stage) (string, error) {
	before := s.mark()
	s.server.Stop(killAfter, nil)
	pause(ctx, time.Second)
	alone := s.mark().since(before)
	words, err := s.killed(ctx, "orders-2")
	err = errors.Join(alone.noneFailed(), err)
	started := time.Now()
	if startErr := s.start(s.find("orders-2")); startErr != nil {
		return words, errors.Join(err, startErr)
	}
	err = errors.Join(err, serves(ctx, s.find("orders-2")))
	return fmt.Sprintf("%s without a server; orders-2 killed: %s; started again, it answered after %.1f s", alone.summary(), words, time.Since(started).Seconds()), err
}

// serves waits until the Envoy of an instance lets a request through to its application. Its callers have ejected it for
// a while.
func serves(ctx context.Context, i *instance) error {
	return eventually(ctx, changeLimit, i.name+" answers", func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.address+"/", nil)
		if err != nil {
			return err
		}
		request.Host, request.Close = i.service, true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

// serverReturns starts the server again: the proxies reconnect, and are sent nothing that has not changed.
func serverReturns(ctx context.Context, s *stage) (string, error) {
	before, updates := s.mark(), s.sums(ctx, updatesTaken)
	took, err := s.startServer(ctx)
	if err != nil {
		return "", err
	}
	connected, err := s.inSync(ctx, proxiesAtStart)
	if err != nil {
		return "", err
	}
	pause(ctx, time.Second)
	m := s.mark().since(before)
	errs := []error{m.noneFailed()}
	resent := 0
	for name, n := range s.sums(ctx, updatesTaken) {
		if more := n - updates[name]; more > 0 {
			resent += more
			errs = append(errs, fmt.Errorf("%s took %d updates though nothing had changed", name, more))
		}
	}
	return fmt.Sprintf("%s; ready in %d ms, %d proxies back in sync, %d updates sent again", m.summary(), took.Milliseconds(), connected, resent), errors.Join(errs...)
}
