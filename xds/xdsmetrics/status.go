package xdsmetrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/doyen-mesh/doyen/xds"
)

// Server is what is read of an xDS server.
type Server interface{ Totals() xds.Totals }

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

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(metrics chan<- prometheus.Metric) {
	totals := c.server.Totals()
	sums := map[string]xds.TypeTotals{}
	for typeURL, t := range totals.Types {
		name := c.types.of(typeURL)
		sums[name] = add(sums[name], t)
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.nodes, float64(totals.Nodes))
	for name, t := range sums {
		gauge(c.subscribed, float64(t.Streams), name)
		gauge(c.outOfSync, float64(t.OutOfSync), name)
		gauge(c.rejected, float64(t.Rejected), name)
		gauge(c.held, float64(t.Held), name)
		gauge(c.heldSeconds, age(t.HeldSince).Seconds(), name)
	}
}

// add returns the totals of two types that share a label.
func add(a, b xds.TypeTotals) xds.TypeTotals {
	if a.HeldSince.IsZero() || !b.HeldSince.IsZero() && b.HeldSince.Before(a.HeldSince) {
		a.HeldSince = b.HeldSince
	}
	a.Streams, a.OutOfSync = a.Streams+b.Streams, a.OutOfSync+b.OutOfSync
	a.Rejected, a.Held = a.Rejected+b.Rejected, a.Held+b.Held
	return a
}

// age is how long the oldest change has been held, 0 when none is.
func age(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}
