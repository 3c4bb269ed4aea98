package mesh

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profileSeconds is how much of a row is profiled, from its start. A row that ends sooner waits.
const profileSeconds = "10"

// profile begins a CPU profile of the server, and returns a function that waits for its end and for a heap profile.
func (c *scene) profile(ctx context.Context, row string) (wait func() error) {
	if c.Profile == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- c.save(ctx, "/debug/pprof/profile?seconds="+profileSeconds, row+".cpu")
	}()
	return func() error {
		if err := <-done; err != nil && row != "restart" { // which ends the process that is profiled
			return err
		}
		return c.save(ctx, "/debug/pprof/heap", row+".heap")
	}
}

func (c *scene) save(ctx context.Context, path, name string) error {
	if err := os.MkdirAll(c.Profile, 0o755); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.server.HTTP+path, nil)
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	file, err := os.Create(filepath.Join(c.Profile, name))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, response.Body); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
