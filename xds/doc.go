// Package xds is an xDS management server as a library. It serves resources, which the importing program makes, to Envoy
// and gRPC clients. It implements the protocol and knows nothing about meshes. It imports only the discovery messages;
// resources are names and bytes.
//
// # Three steps
//
// A [Resource] is a name, a type and bytes. It is immutable and encoded once. Resources live in a source. A [Server]
// serves streams from a source:
//
//	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
//	server := xds.NewServer(cache, xds.ServerOptions{})
//	g := grpc.NewServer(xds.GRPCOptions()...)
//	server.Register(g)
//
//	cache.Publish("node-1", xds.NewSnapshot(resources...))
//
// Publish returns immediately. It waits for no client, and there is no queue for each client: a client is sent the
// difference between what it has and the current content.
//
// At the end, call [Server.Shutdown] before Stop of the grpc.Server.
//
// # Empty and not published yet
//
// A view without a snapshot, and a type that no source serves, get no response: it is not known yet what there will be,
// and an empty response would remove what the client has. Envoy then waits (15 s for each listener or cluster that
// depends on it, unless its initial_fetch_timeout is different). A program that has nothing for a node should say so: an
// empty [Snapshot], or an empty [LinearCache], answers that nothing exists. A linear cache that is still to be filled
// can say that ([LinearCacheOptions.Unfilled]).
//
// The same holds for a single name. A program that makes resources on request gives its cache a function OnDemand
// ([LinearCacheOptions.OnDemand], [SnapshotCacheOptions.OnDemand]). Names for which it returns true are neither answered
// nor reported as removed to a client that has them, until they are published or declared not to exist.
//
// A program that has lost its data, or was started with other data, cannot know what its clients have. A recovering
// linear cache ([LinearCacheOptions.Recovering]) removes nothing from clients that reconnect: what they have is neither
// changed nor removed until the cache has caught up with it, or until [LinearCache.Recovered] is called.
//
// To a client whose node ID is not the one that was published to, the server seems not to answer.
// [Server.NodeStatus] shows that it is connected.
//
// A first request without names requests everything for clusters, listeners, scoped routes, and all types that are not
// part of xDS. For the others (endpoints, routes, virtual hosts, secrets, runtimes, extension configurations) it
// requests nothing: clients name those.
//
// # Sources
//
// There are three. Each serves both protocols, all services and opaque types:
//
//   - a [SnapshotCache] has one consistent [Snapshot] for each view. A view is all nodes that get the same resources; by
//     default, each node has its own. A snapshot is replaced in one step.
//   - a [LinearCache] has resources of one type, which any node may request by name. They are changed one by one or in
//     bulk.
//   - a [Mux] routes types, names or nodes to different sources.
//
// # Source, subscription, stream
//
// A collection is all resources of one type in a source that a client may have. A subscription is what the client
// requests of them: a set of names, or everything. Equal subscriptions to one collection are one object, which knows its
// current content and is shared by all streams. A stream remembers three contents for each type: what its client
// acknowledged, what the client was sent, and the current content of the subscription.
//
//	source
//	  collection (view, type)        immutable table of resources, replaced by each publication
//	    subscription (names)         current content; changes only with its names
//	      stream, stream, stream     sent and acknowledged content
//
// Contents share everything that did not change. So remembering one costs a pointer, and the cost of computing a
// difference is proportional to the difference. The difference between the same two contents is computed and encoded
// once, and sent to all streams that need it. Only the nonce is different.
//
// # The states of a type on a stream
//
// A watch is the state of one type on one stream:
//
//		       first request             published              a change may be sent
//		(new) ---------------> [waiting] ---------> [idle] ------------------------------> [pending]
//		                           ^                 |  ^        one response, one nonce       |
//		                           |   withdrawn     |  |                                      |
//		                           +-----------------+  +--------------- ACK or NACK ----------+
//
//	  - waiting: something that the client requests is not published yet, so nothing is sent.
//	  - idle: the client has answered every response. Changes may be withheld (see Order). A removal that the protocol
//	    cannot express counts as acknowledged immediately.
//	  - pending: one response is unanswered. Changes that are published meanwhile are all in the next response.
//	  - ACK: the client has what it was sent.
//	  - NACK: the client has what it acknowledged before. The rejected changes are withheld until their content changes.
//	  - Heartbeats for resources with a TTL are sent in both idle and pending. They need no answer.
//
// The state of one resource in a watch, by name:
//
//		absent ---- sent ----> unanswered ---- ACK ----> acknowledged ---- replaced, ACK ----> acknowledged
//		   |                       |                          |                                     |
//		   | the client lacks      | NACK                     | the client may have something       | the client lacks something
//		   | what it refers to     v                          | that refers to it                   | that the new version refers to
//		   v                  withheld until                  v                                     v
//		withheld           its content changes         removal withheld                  the old version is retained
//
//	  - A claimed resource is one that the client said it has when it connected. If it is not the current version, a
//	    placeholder represents it as an acknowledged resource. A placeholder may refer to anything, is replaced or removed
//	    in order like any other resource, and is never sent. A state-of-the-world client says only that it has something,
//	    so a single placeholder represents everything.
//	  - A stale resource counts as removed, but the client may have kept it because it still subscribes to the name:
//	    state-of-the-world cannot express such a removal, and Envoy ignores it in delta.
//
// At most one response of a type is unanswered, besides heartbeats. The next response leads directly to the newest
// state. A name whose change was rejected counts as the last acknowledged version, also in later state-of-the-world
// responses, until its content changes. A client rejects a response as a whole: when one of the names that were rejected
// together changes, that one is sent first, and then the others are sent once more. So an invalid resource withholds its
// valid neighbors only until it is corrected. With [ServerOptions.IsolateRejected], a delta stream is sent the halves of
// a rejected response again until the invalid resource is found.
//
// # Order
//
// A resource may name what it refers to ([ResourceOptions]; package envoyrefs finds the references in Envoy's messages).
// Then changes are sent in an order that is make before break:
//
//   - A new or changed resource waits until the client has acknowledged what it refers to, and what that refers to,
//     as far as the client has subscribed to it or is about to (such as to the endpoints of a cluster that it has).
//   - A resource is removed when nothing refers to it that the client may be using: neither what the client
//     acknowledged, nor what it was sent, nor older versions that it uses until it has everything that their successors
//     refer to. An example is a listener that moves to a named route: its ACK says that the client has the listener, and
//     not yet that it has the route.
//   - The endpoints of a changed cluster are sent once more after it, because Envoy waits for them.
//   - The first responses to a client that starts are never withheld, because it uses nothing yet.
//
// A withheld change is checked again after every event that may release it. An addition that waits for an ACK is sent
// after [ServerOptions.OrderTimeout]. A removal waits as long as something may refer to the resource. All streams of one
// client process are ordered together, but a stream that has not answered for the OrderTimeout does not hold up the
// others. Streams on one connection belong to one process. Two processes with one node ID (copied images) do not wait
// for each other, and [StreamStatus] tells them apart. [TypeStatus] says which changes are withheld, what they wait for
// and since when.
//
// Three cases are not covered, because the server cannot know what the client has:
//
//   - A state-of-the-world client that reconnects with a version of all clusters that is not the current one does not
//     say which clusters it has. So the first response may remove a cluster that it still uses.
//   - A state-of-the-world client may use a part of a response that it rejected. A cluster that it has only from that
//     response, and that does not exist any more, is not in the next response.
//   - Requests on different streams have no order. A client with a stream for each type may unsubscribe from a name on
//     one stream, and need the name for what it acknowledges on another. If the acknowledgment arrives first, the server
//     assumes that the client has what it has dropped. This cannot happen on one aggregated stream.
//
// # Status
//
// [Server.Status] has a [TypeStatus] for each type of each stream: what was sent, acknowledged, rejected or withheld.
// [Server.Resources] lists single resources with their [DeliveryState]. [Server.WaitAcknowledged] waits for clients.
// [Callbacks] are called for every message.
//
// # Related packages
//
//   - xds/envoyrefs creates resources from Envoy's messages, with their names and references.
//   - xds/client is a client for both protocols.
//   - xds/csds serves the client status discovery service, for Envoy's tools.
//   - xds/xdsmetrics exports metrics to Prometheus.
//   - xds/xdstest checks the rules of the protocol on the wire, in tests.
//
// The repository's examples folder has complete programs, from a single snapshot to opaque types. COMPATIBILITY.md in
// this folder describes what stays compatible in later versions.
//
// # Versions
//
// The version of a resource is a hash of its content. Equal content has the same version on every server and after every
// restart, so a client that reconnects to another server is sent only what differs. The version of a whole type is a
// hash of the set of names and versions in it.
//
// # Speed
//
// [GRPCOptions] includes a codec that passes the shared bytes to gRPC without a copy. Without it everything works, but
// more slowly.
package xds
