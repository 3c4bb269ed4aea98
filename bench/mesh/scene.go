package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/bench/server"
)

// scene is a folder of documents, a server, its instances and its proxies.
type scene struct {
	Options
	shape
	folder   string
	server   *server.Server
	sidecars *sidecars // of services; nil before they were connected
	client   http.Client
}

// open makes a folder and starts a server on it.
func (o Options) open(ctx context.Context, s shape) (*scene, error) {
	folder, err := os.MkdirTemp("", "doyen-bench-")
	if err != nil {
		return nil, err
	}
	c := &scene{Options: o, shape: s, folder: folder}
	c.client.Transport = &http.Transport{MaxIdleConnsPerHost: checkInWorkers}
	if err := s.write(c.config()); err != nil {
		return nil, errors.Join(err, c.close())
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *scene) config() string { return filepath.Join(c.folder, "config") }

// start starts the server, on the addresses of its predecessor. The server outlives a row, and therefore its context.
func (c *scene) start(ctx context.Context) (err error) {
	o := server.Options{Doyen: c.Doyen, Folder: c.folder, Profiles: c.Profile != ""}
	if c.server != nil {
		o.GRPC, o.HTTP = c.server.GRPC, c.server.HTTP
	}
	c.server, err = server.Start(context.WithoutCancel(ctx), o)
	return err
}

func (c *scene) close() error {
	var failed []error
	if c.sidecars != nil {
		failed = append(failed, c.sidecars.stop())
	}
	c.client.CloseIdleConnections()
	if c.server != nil {
		failed = append(failed, c.server.Stop())
	}
	return errors.Join(append(failed, os.RemoveAll(c.folder))...)
}

// checkInWorkers is the number of concurrent check-ins while a mesh is filled.
const checkInWorkers = 32

// fill checks in so many instances of each service.
func (c *scene) fill(ctx context.Context, perService int) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range checkInWorkers {
		group.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= c.services*perService {
					return nil
				}
				if err := c.checkIn(ctx, n%c.services, n/c.services, 100); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// checkIn checks an instance in with a weight.
func (c *scene) checkIn(ctx context.Context, service, instance, weight int) error {
	n := instance*c.services + service // an address belongs to one instance
	path := fmt.Sprintf("/v1/instances/%s/10.%d.%d.%d:9211", serviceName(service), n>>16, n>>8&255, n&255)
	return c.call(ctx, http.MethodPut, path, fmt.Sprintf(`{"weight": %d}`, weight))
}

func (c *scene) call(ctx context.Context, method, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.server.HTTP+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, said)
	}
	return err
}

// edit writes a document and returns when the server has accepted it, by its own log.
func (c *scene) edit(ctx context.Context, file, text string) (accepted time.Time, err error) {
	c.forgetAccepted()
	if err := os.WriteFile(filepath.Join(c.config(), file), []byte(text), 0o644); err != nil {
		return time.Time{}, err
	}
	select {
	case accepted = <-c.server.Accepted:
		return accepted, nil
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("%s is not accepted: %w", file, ctx.Err())
	}
}

func (c *scene) forgetAccepted() {
	for {
		select {
		case <-c.server.Accepted:
		default:
			return
		}
	}
}

// cpu calls do and returns the processor time that the server uses until it is idle again.
func (c *scene) cpu(ctx context.Context, do func() error) (time.Duration, error) {
	before, err := c.server.Settle(ctx)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := c.server.Settle(ctx)
	return after - before, err
}
