// Package conformance tests the xds engine with independent clients: a real Envoy over every variant of the protocol,
// and the gRPC clients of Go, Python, JavaScript and Java.
//
// In every test a recorder (xds/xdstest) reads the bytes on the wire beside the server, and fails the test if the
// server breaks a rule of the protocol. The tests themselves check only what a user would see: where a request
// arrives, what Envoy's admin page shows, and what the server's status shows.
//
// Envoy is found in DOYEN_ENVOY, then on PATH, then in .cache/envoy of this project. The other gRPC clients are in
// .cache/clients, where clients/install.sh installs them. If one is missing, its tests are skipped, unless
// DOYEN_TEST_ALL=1 requires all of them.
package conformance
