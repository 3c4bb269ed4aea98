package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/server"
)

// The service that instances check in for, and the one that calls it: the first two of the documents.
const (
	calledService  = "service-001"
	callingService = "service-000"
)

// rounds is how many instances check in.
const rounds = 100

// proxies are what hears of check-ins.
type proxies struct{ envoys, streams int }

// checkIns measures how long after the call that checks an instance in each proxy has it.
func (f *Figures) checkIns(ctx context.Context, o Options, folder string, p proxies) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := writeDocuments(filepath.Join(folder, "config"), 10); err != nil {
		return err
	}
	s, err := server.Start(ctx, server.Options{Doyen: o.Doyen, Folder: folder})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	m := &mesh{server: s}
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := m.start(ctx, o, folder, p); err != nil {
		return err
	}
	for round := range rounds {
		if err := m.round(ctx, round); err != nil {
			return fmt.Errorf("check-in %d: %w", round+1, err)
		}
	}
	if p.streams == 0 {
		f.add(fmt.Sprintf("%d real Envoys list the endpoint", p.envoys), m.atEnvoys)
		return nil
	}
	f.add(fmt.Sprintf("a real Envoy beside %d simulated streams lists the endpoint", p.streams), m.atEnvoys)
	f.add(fmt.Sprintf("%d simulated streams have the endpoint", p.streams), m.atStreams)
	return nil
}

func (f *Figures) add(proxies string, took []time.Duration) {
	slices.Sort(took)
	f.CheckIns = append(f.CheckIns, CheckIns{
		Proxies: proxies, Count: rounds, P50: took[len(took)/2], P99: took[len(took)*99/100],
	})
}

// mesh is a server and its proxies.
type mesh struct {
	server   *server.Server
	client   http.Client
	envoys   []*envoy
	watchers *fleet.Watchers

	mu        sync.Mutex
	atEnvoys  []time.Duration
	atStreams []time.Duration
}

// start starts the proxies and waits until each knows the service that is called.
func (m *mesh) start(ctx context.Context, o Options, folder string, p proxies) error {
	if err := m.call(ctx, http.MethodPut, endpoint(rounds)); err != nil {
		return err
	}
	for number := range p.envoys {
		e, err := startEnvoy(ctx, o, m.server, folder, number)
		if err != nil {
			return err
		}
		m.envoys = append(m.envoys, e)
	}
	for _, e := range m.envoys {
		if err := e.await(ctx, listed(endpoint(rounds))); err != nil {
			return err
		}
	}
	if p.streams == 0 {
		return nil
	}
	var err error
	m.watchers, err = watch(ctx, m.server, p.streams)
	return err
}

// round checks an instance in, waits until every proxy has it, and takes it out again.
func (m *mesh) round(ctx context.Context, round int) error {
	address := endpoint(round)
	if m.watchers != nil {
		m.watchers.Expect(marker(round))
	}
	if err := m.call(ctx, http.MethodPut, address); err != nil {
		return err
	}
	called := time.Now()
	if err := m.awaitEnvoys(ctx, listed(address), called); err != nil {
		return err
	}
	if m.watchers != nil {
		arrivals, err := m.watchers.Wait(ctx)
		if err != nil {
			return err
		}
		for _, at := range arrivals {
			m.atStreams = append(m.atStreams, max(0, at.Sub(called)))
		}
	}
	return m.call(ctx, http.MethodDelete, address)
}

func (m *mesh) awaitEnvoys(ctx context.Context, text string, called time.Time) error {
	found := make(chan error, len(m.envoys))
	for _, e := range m.envoys {
		go func() {
			err := e.await(ctx, text)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.atEnvoys = append(m.atEnvoys, time.Since(called))
			found <- err
		}()
	}
	var failed error
	for range m.envoys {
		failed = errors.Join(failed, <-found)
	}
	return failed
}

// call checks an instance in or out.
func (m *mesh) call(ctx context.Context, method, address string) error {
	url := fmt.Sprintf("http://%s/v1/instances/%s/%s", m.server.HTTP, calledService, address)
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("{}"))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := m.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, said)
	}
	return err
}

func (m *mesh) stop() error {
	if m.watchers != nil {
		m.watchers.Close()
	}
	m.client.CloseIdleConnections()
	var failed error
	for _, e := range m.envoys {
		failed = errors.Join(failed, e.stop())
	}
	return failed
}

// endpoint is the address of the instance of a round. Nothing listens there; nothing is sent there.
func endpoint(round int) string { return fmt.Sprintf("%s:8080", marker(round)) }

// marker is the address without the port, as it stands in an assignment.
func marker(round int) string { return fmt.Sprintf("127.9.%d.1", round+1) }

// listed is how Envoy's page of clusters begins the line of an endpoint.
func listed(address string) string { return "::" + address + "::" }
