// Package conformance tests the xds engine with clients that nobody here wrote: a real Envoy over
// every variant of the protocol, and the gRPC clients of Go, Python, JavaScript and Java.
//
// In every test a recorder (xds/xdstest) reads the bytes on the wire beside the server and fails
// the test when the server breaks a rule of the protocol. The tests themselves look only at what a
// user would see: where a request lands, what Envoy's admin page says, what the server's status says.
//
// Envoy is found in DOYEN_ENVOY, then on PATH, then in .cache/envoy of this project; the other gRPC
// clients in .cache/clients, where clients/install.sh puts them. Where one is missing, its tests
// are skipped, unless DOYEN_TEST_ALL=1 says that all must run.
package conformance
