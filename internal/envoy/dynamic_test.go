package envoy_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// runEnvoy starts a real Envoy on the bootstrap for s.
func (s *server) runEnvoy(t *testing.T) {
	t.Helper()
	binary := machine.Envoy(t)
	text, err := bootstrap.Envoy(s.bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	writeFile(t, file, text)
	startEnvoy(t, exec.Command(binary, "-c", file, "-l", "warning", "--use-dynamic-base-id", "--concurrency", "2"))
	waitFor(t, "Envoy has accepted everything", s.accepted)
}

// stats returns Envoy's counters and gauges whose names match a regular expression and whose values are not 0.
func (s *server) stats(t *testing.T, pattern string) string {
	t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d/stats?usedonly&filter=%s", s.bootstrap.AdminPort, pattern)
	a, err := get(http.DefaultClient, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	var nonzero []string
	for line := range strings.Lines(a.body) {
		if !strings.HasSuffix(strings.TrimSpace(line), ": 0") {
			nonzero = append(nonzero, strings.TrimSpace(line))
		}
	}
	return strings.Join(nonzero, "\n")
}

// TestEnvoyTakesEverything serves each golden case to a real Envoy by discovery. Envoy rejects nothing, and reports
// no deprecated or unknown field.
func TestEnvoyTakesEverything(t *testing.T) {
	certificates := certificateFolder(t)
	for _, file := range caseFiles(t) {
		c := readCase(t, file)
		p, err := c.proxy(t)
		if err != nil || p.Node.Role == mesh.Proxyless {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := serve(t, withFreePorts(t, p))
			s.bootstrap.CA = filepath.Join(certificates, "shop.pem")
			s.publish(t, strings.ReplaceAll(c.yaml(), "/etc/doyen/tls", certificates), emptySets(p)...)
			s.runEnvoy(t)
			waitFor(t, "Envoy has set up listeners, which it does after it acknowledged them", func() error {
				if s.stats(t, "listener_create_(success|failure)") == "" {
					return errors.New("none so far")
				}
				return nil
			})
			if bad := s.stats(t, "(rejected|deprecated|unknown_field|create_failure)"); bad != "" {
				t.Errorf("Envoy objects:\n%s", bad)
			}
		})
	}
}

// TestCertificateIsReplaced replaces the certificate files of an edge by renaming others over them: new connections
// get the new certificate.
func TestCertificateIsReplaced(t *testing.T) {
	certificates := certificateFolder(t)
	port := machine.FreePorts(t, 1)[0]
	s := serve(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{
		Edge: map[string]int{"plain": machine.FreePorts(t, 1)[0], "secure": port},
	}})
	s.publish(t, fmt.Sprintf(edgeDocuments, certificates), endpointsOf(t, "web"), endpointsOf(t, "users"))
	s.runEnvoy(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	first := servedCertificate(t, address)
	replacement := certificateFolder(t)
	for _, name := range []string{"shop.key", "shop.pem"} {
		if err := os.Rename(filepath.Join(replacement, name), filepath.Join(certificates, name)); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the new certificate is served", func() error {
		if servedCertificate(t, address) == first {
			return fmt.Errorf("still the old one")
		}
		return nil
	})
}

// servedCertificate returns the certificate that is served at address, as bytes.
func servedCertificate(t *testing.T, address string) string {
	t.Helper()
	var conn *tls.Conn
	waitFor(t, "the edge accepts connections", func() (err error) {
		dialer := &net.Dialer{Timeout: patience}
		conn, err = tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true}) // only to look at it
		return err
	})
	defer conn.Close()
	return string(conn.ConnectionState().PeerCertificates[0].Raw)
}

const movedDocuments = `
kind: Edge
name: public
listeners: [{name: plain, port: 8000, address: 127.0.0.1}]
routes: [{to: %s}]
---
kind: Service
name: blue
ports: [8081]
health: /health
traffic: {retries: 0}
---
kind: Service
name: green
ports: [8082]
health: /health
traffic: {retries: 0}
`

// TestRouteMovesWithoutLoss moves a route between services repeatedly under load, each time to a cluster that the
// proxy does not have yet and must check for health first. Envoy acknowledges clusters only when they are warm, and
// the route waits for that.
func TestRouteMovesWithoutLoss(t *testing.T) {
	port := machine.FreePorts(t, 1)[0]
	s := serve(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{Edge: map[string]int{"plain": port}}, VHDS: true})
	blue, green := echo(t, "blue"), echo(t, "green")
	s.publish(t, fmt.Sprintf(movedDocuments, "blue"), endpointsOf(t, "blue", blue.URL), endpointsOf(t, "green", green.URL))
	s.runEnvoy(t)
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	waitFor(t, "the edge answers", func() error {
		_, err := get(http.DefaultClient, url, nil)
		return err
	})

	load := startLoad(url)
	for i := range 40 {
		to := []string{"green", "blue"}[i%2]
		s.publish(t, fmt.Sprintf(movedDocuments, to))
		waitFor(t, "requests land at "+to, func() error {
			a, err := get(http.DefaultClient, url, nil)
			if err == nil && !strings.HasPrefix(a.body, to) {
				err = fmt.Errorf("answered by %q", a.body)
			}
			return err
		})
		waitFor(t, "Envoy has accepted everything", s.accepted)
	}
	sent, failures := load.stop()
	if len(failures) > 0 || sent < 200 {
		t.Errorf("%d of %d requests failed: %v", len(failures), sent, failures[:min(len(failures), 3)])
	}
}

// load is a client that sends a request every few milliseconds.
type load struct {
	end    chan struct{}
	wait   sync.WaitGroup
	mu     sync.Mutex
	sent   int
	failed []error
}

func startLoad(url string) *load { return startLoadOf(url, "", "") }

// startLoadOf starts a client for each host.
func startLoadOf(url string, hosts ...string) *load {
	l := &load{end: make(chan struct{})}
	for _, host := range hosts {
		l.wait.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-l.end:
					return
				case <-tick.C:
					l.send(url, host)
				}
			}
		})
	}
	return l
}

func (l *load) send(url, host string) {
	_, err := get(http.DefaultClient, url, hostHeader(host))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if err != nil {
		l.failed = append(l.failed, err)
	}
}

func (l *load) stop() (sent int, failed []error) {
	close(l.end)
	l.wait.Wait()
	return l.sent, l.failed
}
