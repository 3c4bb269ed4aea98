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
// What a client asks for of one type on one stream is a watch. Its state is what the client was sent, what it
// acknowledged, and the response that it has not answered yet, if there is one:
//
//	  first request,                  some change may go               ACK: sent becomes acknowledged
//	  perhaps with claims        (one response, one nonce)           +---------------------------------+
//	(new) -----------> [idle] -------------------------> [pending] --+                                 |
//	                    ^ ^ |                             |   | ^    +--> NACK: sent becomes           |
//	                    | | |                     heartbeat   | |         acknowledged again, the      |
//	                    | | |                  (needs no ACK)-+-+         changes are set aside -------+
//	                    | | |                                                                          |
//	                    | | +-- a removal that cannot be said: counts as acknowledged at once          |
//	                    | +--- what is withheld is looked at again                                     |
//	                    +------------------------------------------------------------------------------+
//
// The state of one resource in a watch, by name:
//
//		absent ---- sent ----> unanswered ---- ACK ----> acknowledged ---- replaced, ACK ----> acknowledged
//		   |                       |                          |                                     |
//		   | what it refers to     | NACK                     | something the client                | the client has not all
//		   | is not there yet      v                          | may use refers to it                | that the new one needs
//		   v                    set aside until               v                                     v
//		withheld             its content changes      removal withheld                  the old one is retained
//
//	  - A claimed resource is one that the client had when it connected. Where it is not what there is now, a
//	    placeholder stands for it, as acknowledged: it may refer to anything, it is replaced or removed in
//	    order like any other, and it is never sent. A state-of-the-world client says only that it has
//	    something; one placeholder stands for all of that.
//	  - A stale resource counts as removed and the client may have kept it, since it still asks for the name:
//	    state-of-the-world has no words for such removals, and Envoy passes over them in delta.
//
// At most one response of a type is unacknowledged, besides heartbeats. What changes meanwhile is in the next one,
// which goes to the newest state directly. After a NACK the refused changes are set aside: the
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
// references of Envoy's messages). Then changes are made before others are broken:
//
//   - A new or changed resource waits until the client has acknowledged what it refers to, and what that refers to,
//     as far as the client has asked for it or is about to (the endpoints of a cluster that it has).
//   - A resource is removed when nothing refers to it that the client may be using: neither what it
//     acknowledged, nor what is on its way to it, nor older versions that it goes on using until it has all
//     that their successors need. A listener that moves to a named route is an example: its ACK says that the client
//     has it, and not yet that the routes have come.
//   - The endpoints of a changed cluster are sent once more after it: Envoy waits for them.
//   - The first answers to a client that comes up wait for nothing: it uses nothing yet.
//
// What is withheld is looked at again at every event that may let it go. An addition that waits for a mere ACK goes
// ahead after [ServerOptions.OrderTimeout]; a removal waits as long as something may need it. All streams of one
// client process are looked at together, but a stream that has not answered for the OrderTimeout
// does not hold the others. Streams on one connection are one process's; of two processes with one node ID (copied
// images) neither waits for the other, and [StreamStatus] tells them apart. [TypeStatus] says what is held, by what
// and since when.
//
// Three things cannot be kept, because the server cannot know what the client has:
//
//   - A state-of-the-world client that comes back with a version of all clusters that is not the current one
//     does not say which clusters it has, so the first response may take away one that it still uses.
//   - A state-of-the-world client may use a part of a response that it refused. A cluster that it has only from
//     there, and that does not exist any more, is not in the next response.
//   - Streams are not ordered among themselves. A client with a stream for each type may drop a name on one, and
//     need it for what it acknowledges on another. If the acknowledgment comes first, the server counts on
//     what the client has dropped. On one aggregated stream this does not happen.
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
