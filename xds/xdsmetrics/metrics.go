package xdsmetrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doyen-mesh/doyen/xds"
)

// Metrics counts what happens on the streams of one server. It is a prometheus.Collector.
type Metrics struct {
	types   typeNames
	pending pending

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
	m := &Metrics{}
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
	m.sentBytes = m.counter("xds_sent_bytes_total", "Bytes of responses, as they go over the wire.", "method")
	m.receivedBytes = m.counter("xds_received_bytes_total", "Bytes of requests, as they come over the wire.", "method")
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
			m.pending.open(s.ID)
			return nil
		},
		StreamClose: func(s xds.StreamInfo, err error) {
			m.streams.WithLabelValues(s.Method).Dec()
			m.pending.forget(s.ID)
			if own.StreamClose != nil {
				own.StreamClose(s, err)
			}
		},
		Request: func(s xds.StreamInfo, r xds.RequestInfo) error {
			m.answered(s, r, time.Now())
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
	name := m.types.of(r.Type)
	m.responses.WithLabelValues(s.Method, name).Inc()
	m.sent.WithLabelValues(s.Method, name).Add(float64(r.Resources.Len()))
	m.removed.WithLabelValues(s.Method, name).Add(float64(r.Removed.Len()))
	m.pending.sent(s.ID, r.Type, r.Nonce, now)
}

// answered counts a request that answers a response; others, and late ones, do not.
func (m *Metrics) answered(s xds.StreamInfo, r xds.RequestInfo, now time.Time) {
	if r.Nonce == "" {
		return
	}
	sent, ok := m.pending.answered(s.ID, r.Type, r.Nonce)
	if !ok {
		return
	}
	name := m.types.of(r.Type)
	if r.Error != "" {
		m.nacks.WithLabelValues(s.Method, name).Inc()
		return
	}
	m.acks.WithLabelValues(s.Method, name).Inc()
	m.acknowledged.WithLabelValues(name).Observe(now.Sub(sent).Seconds())
}
