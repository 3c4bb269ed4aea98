package xdsmetrics_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/xdsmetrics"
)

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(c *xds.LinearCache, name, body string, references ...xds.Ref) {
	c.Put(xds.NewResource(xds.ClusterType, name, []byte(body), xds.ResourceOptions{References: references}))
}

func TestMetrics(t *testing.T) {
	cache := xds.NewLinearCache(xds.ClusterType)
	put(cache, "a", "1")
	put(cache, "b", "1")
	own := 0
	f := serve(t, cache, xds.Callbacks{StreamOpen: func(context.Context, xds.StreamInfo) error { own++; return nil }}, client.Delta)
	f.client.Subscribe(xds.ClusterType, client.Wildcard)
	f.next().Accept()
	f.expect(
		`xds_acks_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 1`,
		`xds_ack_seconds_count{type="envoy.config.cluster.v3.Cluster"} 1`,
		`xds_nodes 1`,
		`xds_out_of_sync_streams{type="envoy.config.cluster.v3.Cluster"} 0`,
		`xds_resources_sent_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 2`,
		`xds_responses_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 1`,
		`xds_streams_opened_total{method="delta-ads"} 1`,
		`xds_streams{method="delta-ads"} 1`,
		`xds_subscribed_streams{type="envoy.config.cluster.v3.Cluster"} 1`,
	)
	cache.Delete("b")
	f.next()
	f.expect(
		`xds_out_of_sync_streams{type="envoy.config.cluster.v3.Cluster"} 1`,
		`xds_resources_removed_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 1`,
	)
	f.last.Accept()
	put(cache, "a", "2")
	f.next().Reject(errors.New("no"))
	f.expect(
		`xds_acks_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 2`,
		`xds_nacks_total{method="delta-ads",type="envoy.config.cluster.v3.Cluster"} 1`,
		`xds_rejected_streams{type="envoy.config.cluster.v3.Cluster"} 1`,
	)
	for _, name := range []string{"xds_sent_bytes_total", "xds_received_bytes_total"} {
		if f.value(name+`{method="delta-ads"}`) == "" {
			t.Errorf("%s is not counted", name)
		}
	}
	f.stop()
	f.expect(`xds_nodes 0`, `xds_streams{method="delta-ads"} 0`)
	if own != 1 {
		t.Errorf("the server's own callback was called %d times", own)
	}
}

// In state-of-the-world a request that changes the subscription repeats the nonce: it is no second ACK.
func TestOneAnswerCounts(t *testing.T) {
	cache := xds.NewLinearCache(xds.EndpointType)
	requests := make(chan xds.RequestInfo, 100)
	own := xds.Callbacks{Request: func(_ xds.StreamInfo, r xds.RequestInfo) error { requests <- r; return nil }}
	f := serve(t, cache, own, client.SotW)
	cache.Put(xds.NewResource(xds.EndpointType, "a", []byte("1"), xds.ResourceOptions{}))
	f.client.Subscribe(xds.EndpointType, "a")
	f.next().Accept()
	<-requests
	acknowledged := <-requests
	f.client.Subscribe(xds.EndpointType, "none")
	if changed := <-requests; changed.Nonce != acknowledged.Nonce || changed.Names.Len() != 2 {
		t.Fatalf("the change of the subscription answers %q with %d names, after %q", changed.Nonce, changed.Names.Len(), acknowledged.Nonce)
	}
	f.expect(`xds_acks_total{method="sotw-ads",type="envoy.config.endpoint.v3.ClusterLoadAssignment"} 1`)
}

// A refused stream is none.
func TestRefusedStream(t *testing.T) {
	cache := xds.NewLinearCache(xds.ClusterType)
	refused := make(chan struct{}, 100)
	f := serve(t, cache, xds.Callbacks{StreamOpen: func(context.Context, xds.StreamInfo) error {
		refused <- struct{}{}
		return errors.New("not you")
	}}, client.Delta)
	f.client.Subscribe(xds.ClusterType, client.Wildcard)
	select {
	case <-refused:
	case <-time.After(patience):
		t.Fatal("nobody came")
	}
	f.stop()
	if v := f.value(`xds_streams{method="delta-ads"}`); v != "" {
		t.Errorf("open streams: %s", v)
	}
}

// Types that clients make up do not make labels without bound, however many a server allows.
func TestLabelsAreBounded(t *testing.T) {
	madeUp := totals{Types: map[string]xds.TypeTotals{}}
	for i := range 100 {
		madeUp.Types[fmt.Sprintf("type.googleapis.com/made.Up%d", i)] = xds.TypeTotals{Streams: 1}
	}
	f := &fixture{t: t, registry: prometheus.NewPedanticRegistry()}
	f.registry.MustRegister(xdsmetrics.Status(madeUp))
	f.expect(`xds_subscribed_streams{type="other"} 36`)
	named := 0
	for _, line := range f.lines() {
		if strings.HasPrefix(line, `xds_subscribed_streams{type="made.Up`) {
			named++
		}
	}
	if named != 64 {
		t.Errorf("%d types have a name", named)
	}
}

// totals are a server's.
type totals xds.Totals

func (t totals) Totals() xds.Totals { return xds.Totals(t) }

func TestHeld(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(xdsmetrics.Status(totals{Nodes: 1, Types: map[string]xds.TypeTotals{
		xds.RouteType:   {Streams: 1, OutOfSync: 1, Held: 2, HeldSince: time.Now().Add(-time.Hour)},
		xds.ClusterType: {Streams: 1},
	}}))
	f := &fixture{t: t, registry: registry}
	f.expect(`xds_held_changes{type="envoy.config.route.v3.RouteConfiguration"} 2`,
		`xds_held_changes{type="envoy.config.cluster.v3.Cluster"} 0`,
		`xds_held_oldest_seconds{type="envoy.config.cluster.v3.Cluster"} 0`)
	if age := f.value(`xds_held_oldest_seconds{type="envoy.config.route.v3.RouteConfiguration"}`); !strings.HasPrefix(age, "3600.") {
		t.Errorf("the oldest has waited %s s", age)
	}
}

// fixture is a server with metrics and a client.
type fixture struct {
	t        *testing.T
	registry *prometheus.Registry
	client   *client.Client
	updates  chan *client.Update
	last     *client.Update
	stop     func() // the client
}

func serve(t *testing.T, source xds.Source, own xds.Callbacks, protocol client.Protocol) *fixture {
	t.Helper()
	metrics := xdsmetrics.New()
	server := xds.NewServer(source, xds.ServerOptions{Callbacks: metrics.Callbacks(own)})
	g := grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g)
	f := &fixture{t: t, registry: prometheus.NewPedanticRegistry(), updates: make(chan *client.Update, 1000)}
	f.registry.MustRegister(metrics, xdsmetrics.Status(server))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	f.client = client.New(connection, client.Options{
		Node: &corev3.Node{Id: "n"}, Protocol: protocol, Handle: func(u *client.Update) { f.updates <- u },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.client.Run(ctx)
	}()
	f.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		f.stop()
		connection.Close()
		server.Shutdown()
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fixture) next() *client.Update {
	f.t.Helper()
	select {
	case f.last = <-f.updates:
	case <-time.After(patience):
		f.t.Fatal("no update")
	}
	return f.last
}

// lines are the metrics as Prometheus reads them.
func (f *fixture) lines() []string {
	f.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).
		ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		f.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return strings.Split(strings.TrimSpace(w.Body.String()), "\n")
}

// value is that of a metric with its labels, "" when it is not there.
func (f *fixture) value(metric string) string {
	for _, line := range f.lines() {
		if value, found := strings.CutPrefix(line, metric+" "); found {
			return value
		}
	}
	return ""
}

// expect waits until all lines are there.
func (f *fixture) expect(want ...string) {
	f.t.Helper()
	var missing []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		missing = nil
		for _, line := range want {
			metric, value, _ := strings.Cut(line, " ")
			if got := f.value(metric); got != value {
				missing = append(missing, fmt.Sprintf("%s is %q", line, got))
			}
		}
		if len(missing) == 0 {
			return
		}
	}
	f.t.Errorf("metrics:\n%s\nthere are\n%s", strings.Join(missing, "\n"), strings.Join(f.lines(), "\n"))
}

// A response and its ACK look no counter up by its labels: that is done once for a stream and type.
func TestCountingCost(t *testing.T) {
	c := xdsmetrics.New().Callbacks(xds.Callbacks{})
	stream := xds.StreamInfo{ID: 1000, Method: "delta-ads"}
	if err := c.StreamOpen(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	cost := testing.AllocsPerRun(100, func() {
		c.Response(stream, xds.ResponseInfo{Type: xds.ClusterType, Nonce: "1"})
		if err := c.Request(stream, xds.RequestInfo{Type: xds.ClusterType, Nonce: "1"}); err != nil {
			t.Fatal(err)
		}
	})
	if cost > 3 { // two for the stream's ID and one for what makes counters
		t.Errorf("%v allocations for a response and its ACK", cost)
	}
}
