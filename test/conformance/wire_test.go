package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// The tests in this file send by hand, on an aggregated stream, what no well-behaved client sends.

// opaqueType is a type whose resources the engine does not look into. A relay serves only types that xDS has.
var opaqueType = map[bool]string{false: "type.googleapis.com/test.Opaque", true: xds.ExtensionConfigType}[throughRelay]

// opaque returns a resource of an unknown type; its bytes are "name=content".
func opaque(name, content string) *xds.Resource {
	return xds.NewResource(opaqueType, name, []byte(name+"="+content), xds.ResourceOptions{})
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// deadline bounds how long a stream waits for a response.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	return ctx
}

// sotw is a state-of-the-world stream that a test controls.
type sotw struct {
	t      *testing.T
	stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
}

func openSotW(t *testing.T, conn *grpc.ClientConn) sotw {
	t.Helper()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return sotw{t, stream}
}

func (s sotw) ask(r *discoveryv3.DiscoveryRequest) {
	s.t.Helper()
	r.Node = &corev3.Node{Id: node}
	if err := s.stream.Send(r); err != nil {
		s.t.Fatal(err)
	}
}

// next returns the next response, which must be of that type.
func (s sotw) next(typeURL string) *discoveryv3.DiscoveryResponse {
	s.t.Helper()
	r, err := s.stream.Recv()
	if err != nil {
		s.t.Fatal(err)
	}
	if r.GetTypeUrl() != typeURL {
		s.t.Fatalf("response %v, want one of type %s", r, typeURL)
	}
	return r
}

// take acknowledges a response.
func (s sotw) take(r *discoveryv3.DiscoveryResponse, names ...string) {
	s.t.Helper()
	s.ask(&discoveryv3.DiscoveryRequest{TypeUrl: r.GetTypeUrl(), VersionInfo: r.GetVersionInfo(), ResponseNonce: r.GetNonce(), ResourceNames: names})
}

// delta is a delta stream that a test controls.
type delta struct {
	t      *testing.T
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
}

func openDelta(t *testing.T, conn *grpc.ClientConn) delta {
	t.Helper()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return delta{t, stream}
}

func (d delta) ask(r *discoveryv3.DeltaDiscoveryRequest) {
	d.t.Helper()
	r.Node = &corev3.Node{Id: node}
	if err := d.stream.Send(r); err != nil {
		d.t.Fatal(err)
	}
}

// next returns the next response, as "type: name=content ... -removed".
func (d delta) next() (string, *discoveryv3.DeltaDiscoveryResponse) {
	d.t.Helper()
	r, err := d.stream.Recv()
	if err != nil {
		d.t.Fatal(err)
	}
	var said []string
	for _, resource := range r.GetResources() {
		said = append(said, string(resource.GetResource().GetValue()))
	}
	for _, name := range r.GetRemovedResources() {
		said = append(said, "-"+name)
	}
	slices.Sort(said)
	typeName := r.GetTypeUrl()[strings.LastIndexByte(r.GetTypeUrl(), '.')+1:]
	if r.GetTypeUrl() == opaqueType {
		typeName = "Opaque"
	}
	return typeName + ": " + strings.Join(said, " "), r
}

// expect requires that the next response is that one, and acknowledges it.
func (d delta) expect(want string) *discoveryv3.DeltaDiscoveryResponse {
	d.t.Helper()
	got, r := d.next()
	if got != want {
		d.t.Fatalf("response %q, want %q", got, want)
	}
	d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()})
	return r
}

func TestUnservedType(t *testing.T) {
	if throughRelay {
		t.Skip("a relay answers for no type that it does not serve")
	}
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"))
	d := openDelta(t, dial(t, s.address))
	d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: "type.googleapis.com/test.Nothing", ResourceNamesSubscribe: []string{"x"}})
	d.expect("Nothing: -x")
	d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a"}})
	d.expect("Opaque: a=1")
}

func TestStreamsShareNothing(t *testing.T) {
	if throughRelay {
		t.Skip("a relay answers at once with what it has for another stream of the node")
	}
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"), opaque("b", "1"))
	conn := dial(t, s.address)
	one, two := openDelta(t, conn), openDelta(t, conn)
	one.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a"}})
	one.expect("Opaque: a=1")
	two.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a", "b"}})
	two.expect("Opaque: a=1 b=1")
	two.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesUnsubscribe: []string{"a"}, ResourceNamesSubscribe: []string{"x"}})
	two.expect("Opaque: -x")
	s.publish(opaque("a", "2"), opaque("b", "2"))
	one.expect("Opaque: a=2")
	two.expect("Opaque: b=2")
}

func TestRepeatedNames(t *testing.T) {
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"))
	conn := dial(t, s.address)
	d := openDelta(t, conn)
	d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a", "x", "a", "x"}})
	d.expect("Opaque: -x a=1")
	w := openSotW(t, conn)
	w.ask(&discoveryv3.DiscoveryRequest{TypeUrl: opaqueType, ResourceNames: []string{"a", "a"}})
	if r := w.next(opaqueType); len(r.GetResources()) != 1 {
		t.Errorf("response %v, want one resource", r)
	}
}

// TestVersions checks that versions depend on the content alone: they are the same on two servers, separate for each
// type, and valid for a client that reconnects.
func TestVersions(t *testing.T) {
	site := []*xds.Resource{strictCluster("a", "127.0.0.1:1"), opaque("o", "1")}
	var versions []string
	for range 2 {
		s := serve(t, xdstest.Options{}, xds.ServerOptions{})
		s.publish(site...)
		conn := dial(t, s.address)
		w := openSotW(t, conn)
		w.ask(&discoveryv3.DiscoveryRequest{TypeUrl: clusterType})
		all := w.next(clusterType)
		w.take(all)
		w.ask(&discoveryv3.DiscoveryRequest{TypeUrl: opaqueType, ResourceNames: []string{"o"}})
		named := w.next(opaqueType)
		w.take(named, "o")

		// A client that subscribes to everything with this version has it (C038): the next response answers the next
		// request.
		back := openSotW(t, conn)
		back.ask(&discoveryv3.DiscoveryRequest{TypeUrl: clusterType, VersionInfo: all.GetVersionInfo()})
		back.ask(&discoveryv3.DiscoveryRequest{TypeUrl: listenerType})
		back.take(back.next(listenerType))
		// A client that subscribes by name gets the resources (C039).
		back.ask(&discoveryv3.DiscoveryRequest{TypeUrl: opaqueType, VersionInfo: named.GetVersionInfo(), ResourceNames: []string{"o"}})
		if again := back.next(opaqueType); again.GetVersionInfo() != named.GetVersionInfo() {
			t.Errorf("version %q on one stream, %q on the next", named.GetVersionInfo(), again.GetVersionInfo())
		}

		d := openDelta(t, conn)
		d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"o"}})
		one := d.expect("Opaque: o=1")
		versions = append(versions, fmt.Sprint(all.GetVersionInfo(), named.GetVersionInfo(), one.GetSystemVersionInfo(), one.GetResources()[0].GetVersion()))

		// A change of one type does not change the version of another (C023).
		s.publish(strictCluster("a", "127.0.0.1:2"), opaque("o", "1"), opaque("p", "1"))
		if changed := w.next(clusterType); changed.GetVersionInfo() == all.GetVersionInfo() {
			t.Errorf("version %q is that of two states", changed.GetVersionInfo())
		}
		w.ask(&discoveryv3.DiscoveryRequest{TypeUrl: opaqueType, VersionInfo: named.GetVersionInfo(), ResponseNonce: named.GetNonce(), ResourceNames: []string{"o", "p"}})
		if more := w.next(opaqueType); more.GetVersionInfo() == named.GetVersionInfo() {
			t.Errorf("version %q is that of two states", more.GetVersionInfo())
		}
	}
	if versions[0] != versions[1] {
		t.Errorf("versions %s on one server, %s on the other", versions[0], versions[1])
	}
}

// TestRejectionOfNewNames rejects a response and subscribes to more in one request (C031). The additional resource is
// sent, although the version in the request is the current one (C028).
func TestRejectionOfNewNames(t *testing.T) {
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"), opaque("b", "1"))
	w := openSotW(t, dial(t, s.address))
	w.ask(&discoveryv3.DiscoveryRequest{TypeUrl: opaqueType, ResourceNames: []string{"a"}})
	first := w.next(opaqueType)
	w.take(first, "a")
	s.publish(opaque("a", "bad"), opaque("b", "1"))
	bad := w.next(opaqueType)
	w.ask(&discoveryv3.DiscoveryRequest{
		TypeUrl: opaqueType, VersionInfo: first.GetVersionInfo(), ResponseNonce: bad.GetNonce(),
		ResourceNames: []string{"a", "b"}, ErrorDetail: &rpcstatus.Status{Code: 3, Message: "no good"},
	})
	var got []string
	for _, r := range w.next(opaqueType).GetResources() {
		got = append(got, string(r.GetValue()))
	}
	if !slices.Contains(got, "b=1") || slices.Contains(got, "a=bad") {
		t.Errorf("response with %q, want b=1, and not what was rejected", got)
	}
}

// TestDynamicParameters checks that the server ignores parameters that it does not use (C090).
func TestDynamicParameters(t *testing.T) {
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"))
	d := openDelta(t, dial(t, s.address))
	locator := &discoveryv3.ResourceLocator{Name: "a", DynamicParameters: map[string]string{"env": "test"}}
	d.ask(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a"}, ResourceLocatorsSubscribe: []*discoveryv3.ResourceLocator{locator},
	})
	d.expect("Opaque: a=1")
}

func TestThousandStreams(t *testing.T) {
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	s.publish(opaque("a", "1"))
	conn := dial(t, s.address)
	var streams []delta
	for range 1000 {
		d := openDelta(t, conn)
		d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a"}})
		streams = append(streams, d)
	}
	for _, d := range streams {
		d.expect("Opaque: a=1")
	}
}

// TestSlowReader checks that a client that does not read gets the newest state when it does, and that neither other
// clients nor publishers wait for it.
func TestSlowReader(t *testing.T) {
	if throughRelay {
		t.Skip("a relay answers the server for all streams of a node, so that they wait for each other")
	}
	s := serve(t, xdstest.Options{}, xds.ServerOptions{})
	large := strings.Repeat("x", 1<<20) // several times the flow control window
	s.publish(opaque("a", large))
	slow, quick := openDelta(t, dial(t, s.address)), openDelta(t, dial(t, s.address))
	for _, d := range []delta{slow, quick} {
		d.ask(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: opaqueType, ResourceNamesSubscribe: []string{"a"}})
	}
	quick.expect("Opaque: a=" + large)
	began := time.Now()
	for i := range 20 {
		content := fmt.Sprint(i, large)
		s.publish(opaque("a", content))
		quick.expect("Opaque: a=" + content)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("the other client took %v for 20 changes", took)
	}
	slow.expect("Opaque: a=" + large)
	slow.expect("Opaque: a=" + fmt.Sprint(19, large))
}
