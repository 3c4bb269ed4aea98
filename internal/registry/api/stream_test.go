package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/test/machine"
)

// reader reads a stream at its own pace: writes to it block until it reads.
type reader struct {
	t      *testing.T
	lines  *bufio.Reader
	cancel context.CancelFunc
	header http.Header
	to     *io.PipeWriter
	ended  chan struct{}
}

func (r *reader) Header() http.Header         { return r.header }
func (r *reader) WriteHeader(int)             {}
func (r *reader) Write(p []byte) (int, error) { return r.to.Write(p) }
func (r *reader) Flush()                      {}

// stream opens a stream of target. It ends with the test.
func (s *server) stream(target, lastEventID string) *reader {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	from, to := io.Pipe()
	r := &reader{s.t, bufio.NewReader(from), cancel, http.Header{}, to, make(chan struct{})}
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	request.Header.Set("Accept", "text/event-stream")
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	go func() {
		defer close(r.ended)
		defer to.Close()
		s.handler.ServeHTTP(r, request)
	}()
	s.t.Cleanup(func() {
		cancel()
		from.Close()
		<-r.ended
	})
	return r
}

// batch reads events until synced, and returns them without what is never the same twice, and the version.
func (r *reader) batch() (events []string, version string) {
	r.t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			r.t.Fatalf("after %q: %v", events, err)
		}
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch kind {
		case "id":
			version = rest
		case "event":
			data, err := r.lines.ReadString('\n')
			if err != nil {
				r.t.Fatal(err)
			}
			if rest == "synced" {
				return events, version
			}
			events = append(events, rest+" "+brief(strings.TrimPrefix(strings.TrimSpace(data), "data: ")))
		}
	}
}

var boring = regexp.MustCompile(`,"(weight":100\b|state":"healthy"|lease":"10m0s"|incarnation":"[^"]*"|sequence":\d+|expires":"[^"]*")`)

func brief(data string) string { return boring.ReplaceAllString(data, "") }

func expectBatch(t *testing.T, r *reader, want ...string) (version string) {
	t.Helper()
	got, version := r.batch()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return version
}

func TestStreamOfOneService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		s.want(http.StatusCreated, nil, "PUT", user1, `{}`)
		s.want(http.StatusCreated, nil, "PUT", order, `{}`)
		r := s.stream("/v1/instances/users", "")
		first := expectBatch(t, r, `service {"service":"users","instances":[{"service":"users","address":"10.0.0.1:80"}]}`)
		// What concerns other services, and renewals, do not appear.
		s.want(http.StatusOK, nil, "PUT", order, `{"weight":7}`)
		s.want(http.StatusOK, nil, "PUT", user1, `{}`)
		s.want(http.StatusCreated, nil, "PUT", user2, `{}`)
		second := expectBatch(t, r, `instance {"service":"users","address":"10.0.0.2:80"}`)
		s.want(http.StatusOK, nil, "DELETE", user1, "")
		third := expectBatch(t, r, `gone {"service":"users","address":"10.0.0.1:80"}`)
		if first == second || second == third {
			t.Errorf("versions %s, %s, %s: want three", first, second, third)
		}
		// A reader that comes back with the latest version gets only what happens next.
		r = s.stream("/v1/instances/users", third)
		synctest.Wait()
		s.want(http.StatusOK, nil, "PUT", user2, `{"weight":7}`)
		expectBatch(t, r, `instance {"service":"users","address":"10.0.0.2:80","weight":7}`)
		// With an older version, or that of another server, it gets everything.
		for _, old := range []string{first, "another.7", "x"} {
			expectBatch(t, s.stream("/v1/instances/users", old), `service {"service":"users","instances":[{"service":"users","address":"10.0.0.2:80","weight":7}]}`)
		}
		expectBatch(t, s.stream("/v1/instances/nobody", ""), `service {"service":"nobody","instances":[]}`)
	})
}

func TestStreamOfAllServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		expectBatch(t, s.stream("/v1/instances", ""), `services {"services":[]}`)
		s.want(http.StatusCreated, nil, "PUT", user1, `{}`)
		s.want(http.StatusCreated, nil, "PUT", order, `{}`)
		s.want(http.StatusCreated, nil, "PUT", "/v1/instances/payments/10.0.0.9:80", `{}`)
		r := s.stream("/v1/instances", "")
		version := expectBatch(t, r, `services {"services":["orders","payments","users"]}`,
			`service {"service":"orders","instances":[{"service":"orders","address":"10.0.0.3:80"}]}`,
			`service {"service":"payments","instances":[{"service":"payments","address":"10.0.0.9:80"}]}`,
			`service {"service":"users","instances":[{"service":"users","address":"10.0.0.1:80"}]}`)
		s.want(http.StatusOK, nil, "PUT", user1, `{"weight":7}`)
		expectBatch(t, r, `instance {"service":"users","address":"10.0.0.1:80","weight":7}`)
		s.want(http.StatusOK, nil, "DELETE", order, "")
		expectBatch(t, r, `gone {"service":"orders","address":"10.0.0.3:80"}`)
		// A reader that was away gets the names, and the services that changed meanwhile.
		expectBatch(t, s.stream("/v1/instances?after="+version, ""), `services {"services":["payments","users"]}`,
			`service {"service":"users","instances":[{"service":"users","address":"10.0.0.1:80","weight":7}]}`)
	})
}

// TestSlowStreamReader checks that a reader that does not read delays nobody, and then gets each instance once, in
// its latest state.
func TestSlowStreamReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		r := s.stream("/v1/instances/users", "")
		expectBatch(t, r, `service {"service":"users","instances":[]}`)
		begin := time.Now()
		for i := range 1000 {
			path := fmt.Sprintf("/v1/instances/users/10.0.0.%d:80", 1+i%5)
			s.call("PUT", path, fmt.Sprintf(`{"weight":%d}`, 1+i%1000))
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("check-ins took %v because of a reader", took)
		}
		seen := map[string]string{}
		events := 0
		for len(seen) < 5 || !strings.Contains(seen["10.0.0.5:80"], `"weight":1000`) {
			batch, _ := r.batch()
			for _, event := range batch {
				_, address, _ := strings.Cut(event, `"address":"`)
				address, _, _ = strings.Cut(address, `"`)
				seen[address] = event
				events++
			}
		}
		if events > 20 {
			t.Errorf("got %d events for 5 instances: changes were not merged", events)
		}
		for i := range 5 {
			if address, weight := fmt.Sprintf("10.0.0.%d:80", 1+i), fmt.Sprintf(`"weight":%d}`, 996+i); !strings.HasSuffix(seen[address], weight) {
				t.Errorf("%s: got %s, want %s", address, seen[address], weight)
			}
		}
	})
}

func TestStreamHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		r := s.stream("/v1/instances/users", "")
		r.batch()
		if line, err := r.lines.ReadString('\n'); line != "\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		begin := time.Now()
		for i := range 3 {
			if line, err := r.lines.ReadString('\n'); line != ":\n" || time.Since(begin) != time.Duration(i+1)*15*time.Second {
				t.Errorf("after %v: got %q, %v: want a comment every 15 s", time.Since(begin), line, err)
			}
			_, _ = r.lines.ReadString('\n')
		}
		if kind := r.header.Get("Content-Type"); kind != "text/event-stream" {
			t.Errorf("content type %q", kind)
		}
	})
}

// TestStreamEnds checks that a stream ends with the registry, so that it does not delay the shutdown of a server, and
// when its client is gone.
func TestStreamEnds(t *testing.T) {
	for what, end := range map[string]func(*server, *reader){
		"the registry": func(s *server, _ *reader) { s.end() },
		"the client":   func(_ *server, r *reader) { r.cancel() },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, api.Options{}, nil)
				r := s.stream("/v1/instances", "")
				r.batch()
				go func() { _, _ = io.Copy(io.Discard, r.lines) }()
				end(s, r)
				<-r.ended
			})
		})
	}
}

// quiet is a client that takes everything.
type quiet struct{}

func (quiet) Header() http.Header         { return http.Header{} }
func (quiet) WriteHeader(int)             {}
func (quiet) Write(p []byte) (int, error) { return len(p), nil }
func (quiet) Flush()                      {}

// TestTooManyStreams checks that the number of streams is limited, and that ended ones do not count.
func TestTooManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, api.Options{}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		open := func(ctx context.Context) *http.Request {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/instances", nil)
			r.Header.Set("Accept", "text/event-stream")
			return r
		}
		var streams sync.WaitGroup
		for range 4096 {
			streams.Go(func() { s.handler.ServeHTTP(quiet{}, open(ctx)) })
		}
		synctest.Wait()
		if answer, body := s.do(open(t.Context())); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("got %d %s, want 503", answer.StatusCode, body)
		}
		cancel()
		streams.Wait()
		expectBatch(t, s.stream("/v1/instances", ""), `services {"services":[]}`)
	})
}

func TestStreamRefusesParameters(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/instances?wait=5s", nil)
	r.Header.Set("Accept", "text/event-stream")
	if answer, body := s.do(r); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d %s", answer.StatusCode, body)
	}
}

// TestStreamReference compares the stream on the reference page with what curl gets.
func TestStreamReference(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		machine.Missing(t, "curl is not installed")
	}
	s := serve(t, api.Options{}, nil)
	web := httptest.NewServer(s.handler)
	defer web.Close()
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/users/10.0.0.7:9211", `{}`)
	page := blocksOf(t, "sse")
	if len(page) != 1 {
		t.Fatalf("the page has %d streams", len(page))
	}
	command, want := split(page[0])
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+strings.ReplaceAll(command, "localhost:18001", strings.TrimPrefix(web.URL, "http://")))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	steps := []func(){
		func() { s.want(http.StatusOK, nil, "PUT", "/v1/instances/users/10.0.0.7:9211", `{"state":"draining"}`) },
		func() {
			if err := s.registry.Leave(t.Context(), key("users", "10.0.0.7:9211"), registry.Incarnation{}); err != nil {
				t.Fatal(err)
			}
		},
	}
	changing := regexp.MustCompile(`("expires":|"incarnation":|"version":|"sequence":|id: ?)[^,}\n]*`)
	for wanted := range strings.Lines(want) {
		line, err := lines.ReadString('\n')
		if changing.ReplaceAllString(line, "$1") != changing.ReplaceAllString(wanted, "$1") {
			t.Fatalf("curl shows %q, %v, and the page %q", line, err, wanted)
		}
		if strings.HasPrefix(line, `data: {"version"`) && len(steps) > 0 {
			steps[0]()
			steps = steps[1:]
		}
	}
}
