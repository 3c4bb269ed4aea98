package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// rate is how many requests per second a path gets during an event.
const rate = 250

// mostUnderWay is the largest number of pending requests of one traffic. More would only overload a busy machine.
// Requests that are left out reduce the rate, which is checked.
const mostUnderWay = 2 * rate

// traffic sends requests at a steady rate, however slow the answers are, until stopped.
type traffic struct {
	cancel context.CancelFunc
	ended  chan struct{}
	slots  chan struct{} // one taken by each request under way

	mu     sync.Mutex
	result result
}

// result is the outcome of the requests of one traffic.
type result struct {
	Sent, Failed int
	Reasons      map[string]int // why requests failed
	Apps         map[string]int // who answered
	LastFailure  time.Time
	Elapsed      time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("%d requests in %v (%.0f/s), %d failed %v, answered by %v",
		r.Sent, r.Elapsed.Round(time.Millisecond), float64(r.Sent)/r.Elapsed.Seconds(), r.Failed, r.Reasons, r.Apps)
}

// startTraffic sends requests to url with the given Host.
func startTraffic(t *testing.T, url, host string) *traffic {
	t.Helper()
	client := newClient(t)
	return startRequests(t, func() (string, error) { return ask(client, url, host) })
}

// newClient returns an HTTP client that keeps connections and never retries.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// startRequests sends requests until it is stopped or the test ends. Each returns who answered.
func startRequests(t *testing.T, request func() (app string, err error)) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{cancel: cancel, ended: make(chan struct{}), slots: make(chan struct{}, mostUnderWay), result: result{Reasons: map[string]int{}, Apps: map[string]int{}}}
	go func() {
		defer close(tr.ended)
		var requests sync.WaitGroup
		defer requests.Wait()
		started, sent := time.Now(), 0
		ticker := time.NewTicker(time.Second / rate)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				tr.mu.Lock()
				tr.result.Elapsed = time.Since(started)
				tr.mu.Unlock()
				return
			case <-ticker.C: // may come late on a busy machine; what is due is made up for
				for due := int(time.Since(started).Seconds() * rate); sent < due; sent++ {
					select {
					case tr.slots <- struct{}{}:
						requests.Go(func() {
							tr.count(request())
							<-tr.slots
						})
					default:
					}
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-tr.ended })
	return tr
}

func (tr *traffic) count(app string, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.result.Sent++
	if err != nil {
		tr.result.Failed++
		tr.result.Reasons[err.Error()]++
		tr.result.LastFailure = time.Now()
		return
	}
	tr.result.Apps[app]++
}

// soFar returns a copy of the result until now.
func (tr *traffic) soFar() result {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	r := tr.result
	r.Reasons, r.Apps = maps.Clone(r.Reasons), maps.Clone(r.Apps)
	return r
}

// reset forgets who answered, and nothing else.
func (tr *traffic) reset() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	clear(tr.result.Apps)
}

// sends waits until n more requests have been answered.
func (tr *traffic) sends(t *testing.T, n int) {
	t.Helper()
	before := tr.soFar().Sent
	eventually(t, fmt.Sprintf("%d more requests", n), func() string {
		if r := tr.soFar(); r.Sent < before+n {
			return r.String()
		}
		return ""
	})
}

// stop ends the traffic and returns its result, with every request counted.
func (tr *traffic) stop() result {
	tr.cancel()
	<-tr.ended
	return tr.soFar()
}

// mustNotFail stops the traffic, and fails the test if a request failed or the rate was too low to prove anything.
func (tr *traffic) mustNotFail(t *testing.T) result {
	t.Helper()
	r := tr.stop()
	t.Log(r)
	if r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Sent, r.Reasons)
	}
	if perSecond := float64(r.Sent) / r.Elapsed.Seconds(); perSecond < 200 {
		t.Errorf("only %.0f requests/s: want at least 200", perSecond)
	}
	return r
}

// ask sends one request and returns the name of the application that answered. The request has a body that cannot be
// read twice, so that Go's client does not silently retry it on another connection.
func ask(client *http.Client, url, host string) (string, error) {
	request, err := http.NewRequest(http.MethodPost, url, io.NopCloser(strings.NewReader("x")))
	if err != nil {
		return "", err
	}
	request.Host, request.ContentLength = host, 1
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %.200s", response.Status, body)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return "", fmt.Errorf("answer %.100q: %w", body, err)
	}
	return a.App, nil
}
