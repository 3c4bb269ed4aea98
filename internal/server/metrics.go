package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds/xdsmetrics"
)

// metricsPage serves what Prometheus scrapes. docs/reference/metrics.md lists it.
func (s *server) metricsPage() http.Handler {
	all := prometheus.NewRegistry()
	all.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	all.MustRegister(s.collectors()...)
	// Compressing costs more than all that the page says.
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{DisableCompression: true})
}

// collectors returns the collectors of doyen's own metrics.
func (s *server) collectors() []prometheus.Collector {
	return []prometheus.Collector{s.metrics, xdsmetrics.Status(s.xds), newMeshCollector(s), newStoreCollector(s)}
}

// meshCollector collects the metrics of documents and instances at each scrape.
type meshCollector struct {
	server                                             *server
	instances, services, paused, pauseEnd              *prometheus.Desc
	revision, accepted, problems, held, unread, behind *prometheus.Desc
}

func newMeshCollector(s *server) *meshCollector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &meshCollector{
		server:    s,
		instances: describe("doyen_instances", "Registered instances.", "state"),
		services:  describe("doyen_services_with_instances", "Services that have at least one instance, in any state."),
		paused:    describe("doyen_expiry_paused_instances", "Instances that stopped checking in and are kept because too many did at once."),
		pauseEnd:  describe("doyen_expiry_resume_seconds", "Time until the longest of these pauses ends by itself; 0 without one."),
		revision:  describe("doyen_revision_info", "Always 1; the label is the revision of the documents in force.", "revision"),
		accepted:  describe("doyen_documents_accepted_timestamp_seconds", "When the documents in force were accepted, in Unix time."),
		problems:  describe("doyen_document_problems", "Problems that keep the folder's content from coming into force."),
		held:      describe("doyen_documents_held", "1 while a change waits for a person because it would remove most of the mesh."),
		unread:    describe("doyen_documents_unreadable", "1 while the folder cannot be read, or its accepted content not be kept on disk."),
		behind:    describe("doyen_views_behind", "Views that have not got the documents in force, because those cannot be compiled for them."),
	}
}

// Describe implements prometheus.Collector.
func (c *meshCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.instances, c.services, c.paused, c.pauseEnd, c.revision, c.accepted, c.problems, c.held, c.unread, c.behind,
	} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *meshCollector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	c.collectInstances(gauge)
	c.collectDocuments(gauge)
}

func (c *meshCollector) collectInstances(gauge func(*prometheus.Desc, float64, ...string)) {
	snapshot := c.server.registry.Snapshot()
	byState, disconnected := map[registry.State]int{}, 0
	for _, tally := range snapshot.Tallies() {
		for _, state := range registry.States {
			byState[state] += tally.Count(state)
		}
		for _, i := range tally.Proxied {
			if !c.server.control.ProxyGone(i).IsZero() {
				byState[i.State]--
				disconnected++
			}
		}
	}
	for _, state := range registry.States {
		gauge(c.instances, float64(byState[state]), string(state))
	}
	gauge(c.instances, float64(disconnected), "disconnected")
	gauge(c.services, float64(len(snapshot.Services())))
	paused, resume := 0, time.Duration(0)
	for _, doubt := range c.server.registry.Doubts() {
		paused += len(doubt.Instances)
		resume = max(resume, time.Until(doubt.Until))
	}
	gauge(c.paused, float64(paused))
	gauge(c.pauseEnd, resume.Seconds())
}

func (c *meshCollector) collectDocuments(gauge func(*prometheus.Desc, float64, ...string)) {
	now := c.server.documents.State()
	if now.Snapshot != nil {
		gauge(c.revision, 1, string(now.Snapshot.Revision))
		gauge(c.accepted, float64(now.Since.UnixMilli())/1000)
	}
	gauge(c.problems, float64(len(now.Problems)))
	gauge(c.held, oneIf(now.Held != nil))
	gauge(c.unread, oneIf(now.Err != nil))
	gauge(c.behind, float64(c.server.control.Failed()))
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
