package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// backend runs an HTTP server that answers with its name, and returns its address.
func backend(t *testing.T, name string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// request asks the listener at an address once and returns "status body".
func request(address, host string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	r.Host = host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, strings.TrimSpace(string(body))), err
}

// reaches waits until a request to an address gets that answer.
func reaches(t *testing.T, address, want string) {
	t.Helper()
	eventually(t, "request", func() error { return answers(address, "any", want) })
}

// answers returns an error unless one request gets that answer.
func answers(address, host, want string) error {
	got, err := request(address, host)
	if err == nil && got != want {
		err = fmt.Errorf("answered %q, want %q", got, want)
	}
	return err
}

// load is steady traffic. Everything but 200 is a failure, including refused and reset connections.
type load struct {
	sent, failed atomic.Int64
	first        atomic.Pointer[string] // what the first failure was
	stop         func()
}

// put sends rate requests per second to an address until stop is called.
func put(t *testing.T, address string, rate int) *load {
	l := &load{}
	ctx, cancel := context.WithCancel(t.Context())
	var requests sync.WaitGroup
	transport := &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
	}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	requests.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				requests.Go(func() { l.one(client, address) })
			}
		}
	})
	l.stop = sync.OnceFunc(func() {
		cancel()
		requests.Wait()
		transport.CloseIdleConnections()
	})
	t.Cleanup(l.stop)
	return l
}

// one sends a POST, which no client retries by itself.
func (l *load) one(client *http.Client, address string) {
	l.sent.Add(1)
	response, err := client.Post("http://"+address+"/", "text/plain", strings.NewReader("x"))
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			why = fmt.Sprintf("%s %s", response.Status, body)
		}
	}
	if why != "" {
		l.failed.Add(1)
		l.first.CompareAndSwap(nil, &why)
	}
}

// more waits for more requests.
func (l *load) more(t *testing.T, requests int64) {
	t.Helper()
	want := l.sent.Load() + requests
	eventually(t, "load", func() error {
		if sent := l.sent.Load(); sent < want {
			return fmt.Errorf("%d requests of %d", sent, want)
		}
		return nil
	})
}

func (l *load) String() string {
	s := fmt.Sprintf("%d requests, %d failed", l.sent.Load(), l.failed.Load())
	if first := l.first.Load(); first != nil {
		s += ", first: " + *first
	}
	return s
}
