package xdsmetrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doyen-mesh/doyen/xds"
)

// Metrics counts what happens on the streams of one server. It is a prometheus.Collector.
type Metrics struct {
	types typeNames
	open  openStreams

	mu       sync.Mutex
	counters map[methodType]*typeCounters // of the types that have a label of their own

	streams                  *prometheus.GaugeVec   // method
	opened                   *prometheus.CounterVec // method
	responses, sent, removed *prometheus.CounterVec // method, type
	acks, nacks              *prometheus.CounterVec // method, type
	sentBytes, receivedBytes *prometheus.CounterVec // method
	acknowledged             *prometheus.HistogramVec
	collectors               []prometheus.Collector
}

// ackBuckets are seconds: from what a proxy on the same machine takes to what it takes to warm a cluster.
var ackBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60}

// New returns metrics that have counted nothing yet.
func New() *Metrics {
	m := &Metrics{counters: map[methodType]*typeCounters{}}
	m.streams = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "xds_streams", Help: "Open streams."}, []string{"method"})
	m.acknowledged = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "xds_ack_seconds", Help: "Time from sending a response to its ACK.", Buckets: ackBuckets,
	}, []string{"type"})
	m.collectors = []prometheus.Collector{m.streams, m.acknowledged}
	m.opened = m.counter("xds_streams_opened_total", "Streams opened.", "method")
	m.responses = m.counter("xds_responses_total", "Responses sent.", "method", "type")
	m.sent = m.counter("xds_resources_sent_total", "Resources in responses.", "method", "type")
	m.removed = m.counter("xds_resources_removed_total", "Removals in responses.", "method", "type")
	m.acks = m.counter("xds_acks_total", "Responses that clients accepted.", "method", "type")
	m.nacks = m.counter("xds_nacks_total", "Responses that clients refused.", "method", "type")
	m.sentBytes = m.counter("xds_sent_bytes_total", "Bytes of responses, without what HTTP/2 adds.", "method")
	m.receivedBytes = m.counter("xds_received_bytes_total", "Bytes of requests, without what HTTP/2 adds.", "method")
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.collectors = append(m.collectors, c)
	return c
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, c := range m.collectors {
		c.Describe(descriptions)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range m.collectors {
		c.Collect(metrics)
	}
}

// Callbacks returns callbacks that count and then call those of own. A server must have
// them for anything to be counted. They cost about as much as it takes to list the names in a response,
// and in state-of-the-world those in a request.
func (m *Metrics) Callbacks(own xds.Callbacks) xds.Callbacks {
	return xds.Callbacks{
		StreamOpen: func(ctx context.Context, s xds.StreamInfo) error {
			if own.StreamOpen != nil {
				if err := own.StreamOpen(ctx, s); err != nil {
					return err
				}
			}
			m.streams.WithLabelValues(s.Method).Inc()
			m.opened.WithLabelValues(s.Method).Inc()
			m.open.open(s.ID, &openStream{
				sentBytes: m.sentBytes.WithLabelValues(s.Method), receivedBytes: m.receivedBytes.WithLabelValues(s.Method),
			})
			return nil
		},
		StreamClose: func(s xds.StreamInfo, err error) {
			m.streams.WithLabelValues(s.Method).Dec()
			m.open.close(s.ID)
			if own.StreamClose != nil {
				own.StreamClose(s, err)
			}
		},
		Request: func(s xds.StreamInfo, r xds.RequestInfo) error {
			m.requested(s, r, time.Now())
			if own.Request != nil {
				return own.Request(s, r)
			}
			return nil
		},
		Response: func(s xds.StreamInfo, r xds.ResponseInfo) {
			m.responded(s, r, time.Now())
			if own.Response != nil {
				own.Response(s, r)
			}
		},
		Rejected: own.Rejected,
	}
}

func (m *Metrics) responded(s xds.StreamInfo, r xds.ResponseInfo, now time.Time) {
	of := m.open.of(s.ID)
	if of == nil {
		return
	}
	t := of.responded(r.Type, r.Nonce, now, func() *typeCounters { return m.countersOf(s.Method, r.Type) })
	of.sentBytes.Add(float64(r.Size))
	t.responses.Inc()
	t.sent.Add(float64(r.Resources.Len()))
	t.removed.Add(float64(r.Removed.Len()))
}

// methodType names what typeCounters count.
type methodType struct{ method, typeURL string }

// countersOf returns the counters of a type on streams of a method, the same ones for all. Only those are
// kept whose type has a label of its own, for clients make types up.
func (m *Metrics) countersOf(method, typeURL string) *typeCounters {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := methodType{method, typeURL}
	if known := m.counters[key]; known != nil {
		return known
	}
	name := m.types.of(typeURL)
	t := &typeCounters{
		typeURL:   typeURL,
		responses: m.responses.WithLabelValues(method, name),
		sent:      m.sent.WithLabelValues(method, name), removed: m.removed.WithLabelValues(method, name),
		acks: m.acks.WithLabelValues(method, name), nacks: m.nacks.WithLabelValues(method, name),
		acknowledged: m.acknowledged.WithLabelValues(name),
	}
	if name != otherTypes {
		m.counters[key] = t
	}
	return t
}

// requested counts a request, and as an answer if it answers a response; late answers are none.
func (m *Metrics) requested(s xds.StreamInfo, r xds.RequestInfo, now time.Time) {
	of := m.open.of(s.ID)
	if of == nil {
		return
	}
	of.receivedBytes.Add(float64(r.Size))
	if r.Nonce == "" {
		return
	}
	t, sent := of.answered(r.Type, r.Nonce)
	switch {
	case t == nil:
	case r.Error != "":
		t.nacks.Inc()
	default:
		t.acks.Inc()
		t.acknowledged.Observe(now.Sub(sent).Seconds())
	}
}
