package envoy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestSlowStart adds an instance to a service with slowStart: at first it gets about a tenth of the share of the
// other instance. Otherwise it would get the same share.
func TestSlowStart(t *testing.T) {
	const documents = `
kind: Edge
name: public
listeners: [{name: plain, port: 8000, address: 127.0.0.1}]
routes: {to: users}
---
kind: Service
name: users
ports: 8081
health: /health
traffic: {slowStart: %s}
`
	const window = 4 * time.Second
	share := func(t *testing.T, slowStart time.Duration) int {
		port := machine.FreePorts(t, 1)[0]
		s := serve(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public", Ports: mesh.Ports{Edge: map[string]int{"plain": port}}})
		old, added := echo(t, "old"), echo(t, "added")
		s.publish(t, fmt.Sprintf(documents, slowStart), endpointsOf(t, "users", old.URL))
		s.runEnvoy(t)
		url := fmt.Sprintf("http://127.0.0.1:%d/", port)
		answeredBy := func() (string, error) {
			a, err := get(http.DefaultClient, url, nil)
			return a.body, err
		}
		waitFor(t, "the edge answers", func() error { _, err := answeredBy(); return err })
		answers := time.Now()
		waitFor(t, "the slow start of the first instance is over", func() error {
			if left := slowStart - time.Since(answers); left > 0 {
				return fmt.Errorf("%s are left", left)
			}
			return nil
		})
		s.publish(t, fmt.Sprintf(documents, slowStart), endpointsOf(t, "users", old.URL, added.URL))
		waitFor(t, "the new instance gets requests", func() error {
			body, err := answeredBy()
			if err == nil && !strings.HasPrefix(body, "added") {
				err = fmt.Errorf("answered by %q", body)
			}
			return err
		})
		got := 0
		for range 100 {
			body, err := answeredBy()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(body, "added") {
				got++
			}
		}
		return got
	}
	if got := share(t, 0); got < 40 {
		t.Errorf("without slowStart the new instance gets %d of the first 100 requests: want about 50", got)
	}
	if got := share(t, window); got > 35 {
		t.Errorf("with slowStart the new instance gets %d of the first 100 requests: want about 10", got)
	}
}
