// Package xds is an xDS management server as a library: it serves Envoy and gRPC clients with
// resources that the importing program makes. It knows the protocol and nothing about meshes.
// It imports the discovery messages only; what it serves are names and bytes.
//
// # Three steps
//
// A [Resource] is a name, a type and bytes, immutable and encoded once. Resources live in a
// source. A [Server] answers streams from a source:
//
//	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
//	server := xds.NewServer(cache, xds.ServerOptions{})
//	g := grpc.NewServer(xds.GRPCOptions()...)
//	server.Register(g)
//
//	cache.Publish("node-1", xds.NewSnapshot(resources...))
//
// Publish returns at once. It waits for no client, and nothing is queued for one: each client
// is sent the difference between what it has and what there is when it is its turn.
//
// In the end [Server.Shutdown] comes before the Stop of the grpc.Server.
//
// # Nothing, and nothing yet
//
// A view that has no snapshot, and a type that no source serves, get no answer: nobody knows yet what
// there will be, and an empty answer would take away what the client has. Envoy then waits (15 s for
// each listener or cluster that depends on it, unless its initial_fetch_timeout is another). So a
// program that has nothing for a node says so: an empty [Snapshot], or a [LinearCache] that is
// empty, answers that nothing exists. A linear cache that is still to be filled says that it is
// ([LinearCacheOptions.Unfilled]).
//
// The same holds for a single name. A program that makes resources when they are asked for gives its
// cache a function OnDemand ([LinearCacheOptions.OnDemand], [SnapshotCacheOptions.OnDemand]): names for
// which it returns true are not answered, nor reported as removed to a client that has them, until they
// are published or declared not to exist.
//
// A program that has lost its data, or was started with other data, cannot know what its clients have. A
// linear cache that recovers ([LinearCacheOptions.Recovering]) takes nothing from clients that come back:
// what they have is withheld from changes and removal until the cache has caught up with it, or until
// [LinearCache.Recovered].
//
// A client whose node ID is not the one that was
// published to looks like a server that does not answer; [Server.NodeStatus] shows it connected.
//
// A first request without names asks for everything of clusters, listeners, scoped routes and all
// types that are not xDS's own. Of the others (endpoints, routes, virtual hosts, secrets, runtimes,
// extension configurations) it asks for nothing: clients name those.
//
// # Sources
//
// There are three, and each serves both protocols, all services and opaque types at once:
//
//   - a [SnapshotCache] has one consistent [Snapshot] for each view; a view is all nodes that
//     get the same, by default each node its own. A snapshot changes as one step.
//   - a [LinearCache] has the resources of one type that any node may ask for by name, changed
//     one by one or in bulk.
//   - a [Mux] sends types, or names, to different sources.
//
// # Source, subscription, stream
//
// What a client may have of a type is a collection in a source. What it asks for is a
// subscription: a set of names, or everything. Equal subscriptions to one collection are one
// object, however many streams have it, and that object knows its current content. A stream
// only remembers three contents for each type: what its client acknowledged, what it was sent,
// and, through the subscription, what there is.
//
//	source
//	  collection (view, type)        immutable table of resources, replaced by each publication
//	    subscription (names)         current content; woken only by changes to its names
//	      stream, stream, stream     sent and acknowledged content
//
// Contents share all that did not change, so remembering one costs a pointer, and the
// difference of two costs what differs. The difference between the same two contents is
// computed and encoded once and sent to all streams that need it; only the nonce is their own.
//
// # The states of a type on a stream
//
//	          first request                   something differs
//	(unknown) -------------> [waits] ------------------------------> [in flight]
//	                           ^  ^      one response, one nonce        |   |
//	                           |  +------------- ACK -------------------+   |
//	                           |                                            |
//	                           +--- NACK: the changes are parked -----------+
//
// At most one response of a type is unacknowledged. What changes meanwhile is in the next one,
// which goes to the newest state directly. After a NACK the refused changes are parked: the
// name counts as its last acknowledged object, also in later state-of-the-world responses,
// until its content changes. Refused was the whole: when one of several names that were refused
// together changes, that goes first and the others are offered once more after it, so that a bad
// resource keeps its good neighbours away only until it is mended. With
// [ServerOptions.IsolateRejected] nobody waits for that in delta: the parts of a refused response
// are offered by halves until the culprit stands alone.
//
// # Order
//
// A resource may name what it refers to ([ResourceOptions]; package envoyrefs finds the
// references of Envoy's messages). Then a change waits until what it refers to was acknowledged,
// a removal until the client acknowledged what replaces those that refer to it, and the
// endpoints of a changed cluster are sent once more after it, for which Envoy waits. All
// streams of one node are looked at together. An addition that waits for a mere ACK goes ahead
// after [ServerOptions.OrderTimeout]. [TypeStatus] says what is held, by what and since when.
//
// # What it says of itself
//
// [Server.Status] has a [TypeStatus] for every type of every stream: what was sent, acknowledged,
// refused or held. [Server.Resources] goes down to the single resource and its [DeliveryState].
// [Server.WaitAcknowledged] waits for clients, and [Callbacks] are told of every message.
//
// # Packages beside it
//
//   - xds/envoyrefs makes resources of Envoy's messages, with their names and references.
//   - xds/client is a client of both protocols.
//   - xds/csds serves the client status discovery service, for Envoy's tools.
//   - xds/xdsmetrics counts for Prometheus.
//   - xds/xdstest checks the protocol's rules on the wire, in tests.
//
// The repository's examples folder has whole programs, from one snapshot to opaque types;
// COMPATIBILITY.md in this folder says what later versions keep.
//
// # Versions
//
// The version of a resource is a hash of what is served. Equal content has the same version on
// every server and after every restart, so a client that comes back elsewhere is sent only what
// differs. The version of a whole type is a hash of the set of names and versions in it.
//
// # Speed
//
// [GRPCOptions] brings the codec that hands the shared bytes to gRPC as they are. Without it
// everything works, slower.
package xds
