// Package xdsmetrics counts what an xDS server does, for Prometheus.
//
//	metrics := xdsmetrics.New()
//	server := xds.NewServer(source, xds.ServerOptions{Callbacks: metrics.Callbacks(xds.Callbacks{})})
//	registry.MustRegister(metrics, xdsmetrics.Status(server))
//
// Counters come from the server's callbacks. What is true at one moment, such as how many
// changes wait, is read from the server's status when Prometheus asks.
//
// Labels are bounded: method is one of the server's, type the name of a resource type. Since clients may ask
// for any type, only the first 64 have a name of their own; the rest are together as "other". No label tells nodes apart.
package xdsmetrics
