// Package agent runs beside one instance of a service: it starts the application and an Envoy, registers
// the instance while both can take traffic, and at the end undoes that in an order in which no
// request is lost. It also runs an Envoy alone, for an edge, and an application alone that is its own
// proxy (gRPC).
//
// # Parts
//
// An agent is a list of parts (see instance.parts and edge). Each part has a Run(ctx), most of them in a
// package of their own: lease, health, supervisor. All parts start at once, and a part that needs something
// waits for it: a future is a value that becomes known once. So the list says in which order parts end, last
// one first, and the futures say in which order they begin:
//
//	description   asks the server which ports the service has and what it calls; the plan is known
//	envoy         starts once there is a plan
//	application   starts once Envoy is ready, or after a head start, or when no server answers
//	lease         registers the instance once the application runs: starting, then healthy when the application
//	              answers its health check and Envoy accepts connections
//	health, manifest, watch
//
// The agent of a service without ports has no lease, health, manifest and watch: nobody calls it.
//
// # The end
//
// When the context ends, the instance leaves the registry and waits until the callers' proxies have
// acknowledged that; waits until the requests in flight are answered; stops the application; stops Envoy. When
// the application ends by itself there is nothing to wait for. One deadline bounds all of it, and Hurry cuts
// it short.
//
// The package must never stop an application or an Envoy because a server is away or answers nonsense.
// Its one invariant: no child outlives Run.
package agent
