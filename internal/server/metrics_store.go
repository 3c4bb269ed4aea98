package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storeCollector reads how sharing instances goes. It has no values where they are not shared.
type storeCollector struct {
	server                                                   *server
	connected, unwritten, compared, refused, audited, faults *prometheus.Desc
}

func newStoreCollector(s *server) *storeCollector {
	describe := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &storeCollector{
		server:    s,
		connected: describe("doyen_store_connected", "1 while the store that servers share answers; absent without one."),
		unwritten: describe("doyen_store_unwritten_records", "Changes of instances at this server that are not in the store yet."),
		compared:  describe("doyen_store_compared_timestamp_seconds", "When this server last heard the renewals of others and compared versions with the store, in Unix time; 0 before the first time."),
		refused:   describe("doyen_store_refused_entries_total", "Entries of the store that this server read and did not take because they were not valid."),
		faults:    describe("doyen_store_faults", "Keys and entries of the store that this server could not use lately, at most 20 of them; doyen status names them."),
		audited:   describe("doyen_store_shard_reads_total", "Parts of the store that were read whole, to find what was missed."),
	}
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.connected, c.unwritten, c.compared, c.refused, c.audited, c.faults} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(metrics chan<- prometheus.Metric) {
	if c.server.sharer == nil {
		return
	}
	now := c.server.sharer.Status()
	add := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
		metrics <- prometheus.MustNewConstMetric(d, kind, value)
	}
	add(c.connected, prometheus.GaugeValue, oneIf(now.Connected))
	add(c.unwritten, prometheus.GaugeValue, float64(now.Unwritten))
	add(c.compared, prometheus.GaugeValue, unixTime(now.LastRound))
	add(c.refused, prometheus.CounterValue, float64(now.Refused))
	add(c.faults, prometheus.GaugeValue, float64(len(now.Faults)))
	add(c.audited, prometheus.CounterValue, float64(now.Compared))
}

// unixTime is t in seconds; 0 for the zero time.
func unixTime(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
