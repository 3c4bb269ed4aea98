package xdsmetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doyen-mesh/doyen/xds"
)

// Server is what is read of an xDS server.
type Server interface{ Status() []xds.NodeStatus }

// Status returns a collector of what is true of the server's streams when Prometheus asks.
func Status(server Server) prometheus.Collector {
	perType := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, []string{"type"}, nil) }
	return &statusCollector{
		server:      server,
		nodes:       prometheus.NewDesc("xds_nodes", "Nodes with open streams.", nil, nil),
		subscribed:  perType("xds_subscribed_streams", "Streams that ask for a type."),
		outOfSync:   perType("xds_out_of_sync_streams", "Of those, the ones that have not acknowledged all there is for them."),
		rejected:    perType("xds_rejected_streams", "Of those, the ones whose client refused something that is still current."),
		held:        perType("xds_held_changes", "Changes that wait for others, or for a client, before they are sent."),
		heldSeconds: perType("xds_held_oldest_seconds", "How long the oldest of them has waited."),
	}
}

type statusCollector struct {
	server                                                    Server
	types                                                     typeNames
	nodes, subscribed, outOfSync, rejected, held, heldSeconds *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *statusCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.nodes, c.subscribed, c.outOfSync, c.rejected, c.held, c.heldSeconds} {
		descriptions <- d
	}
}

// sum is what the streams of one type come to.
type sum struct {
	subscribed, outOfSync, rejected, held int
	since                                 time.Time // of the oldest held change
}

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(metrics chan<- prometheus.Metric) {
	nodes := c.server.Status()
	sums := map[string]*sum{}
	for _, node := range nodes {
		for _, stream := range node.Streams {
			for typeURL, status := range stream.Types {
				name := c.types.of(typeURL)
				if sums[name] == nil {
					sums[name] = &sum{}
				}
				sums[name].add(status)
			}
		}
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.nodes, float64(len(nodes)))
	for name, s := range sums {
		gauge(c.subscribed, float64(s.subscribed), name)
		gauge(c.outOfSync, float64(s.outOfSync), name)
		gauge(c.rejected, float64(s.rejected), name)
		gauge(c.held, float64(s.held), name)
		gauge(c.heldSeconds, s.age().Seconds(), name)
	}
}

func (s *sum) add(status xds.TypeStatus) {
	s.subscribed++
	if !status.InSync {
		s.outOfSync++
	}
	if status.Rejected != nil {
		s.rejected++
	}
	s.held += len(status.Held)
	for _, h := range status.Held {
		if s.since.IsZero() || h.Since.Before(s.since) {
			s.since = h.Since
		}
	}
}

// age is how long the oldest change has been held, 0 when none is.
func (s *sum) age() time.Duration {
	if s.since.IsZero() {
		return 0
	}
	return time.Since(s.since)
}
