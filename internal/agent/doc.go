// Package agent runs beside one instance of a service: it starts the application and an Envoy, checks
// the instance in while both can take traffic, and on the way out undoes that in an order in which no
// request is lost. It also runs an Envoy alone, for an edge, and an application alone, which is its own
// proxy (gRPC).
//
// # The way in
//
// The server is asked which ports the service has and what it calls; ports are chosen and looked at;
// Envoy starts with a bootstrap in a private folder; the application starts with an environment that
// says where its calls go. The instance checks in as starting at once, as healthy when the application
// answers its health check and Envoy accepts connections, and as starting again while it does not.
//
// # The way out
//
// On the end of its context: leave the registry and wait until the callers' proxies have acknowledged
// that; wait until the requests in flight are answered; stop the application; stop Envoy. When the
// application ends by itself there is nothing to wait for. Each step has a deadline, and a hurry cuts
// all of them short.
//
// The package must never stop an application or an Envoy because a server is away or answers nonsense.
// Its one invariant: no child outlives Run.
package agent
