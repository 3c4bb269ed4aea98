package envoy_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

var admin = ir.Target{Kind: ir.Service, Name: "users", Port: "admin"}

// gateways are those of two networks.
var gateways = ir.Gateways{
	"":     {netip.MustParseAddrPort("192.0.2.1:443")},
	"east": {netip.MustParseAddrPort("192.0.2.2:443"), netip.MustParseAddrPort("192.0.2.3:443")},
}

// viewers are clients at different places.
var viewers = []ir.Placement{
	{}, {Near: true}, {Near: true, Viewer: ir.Viewer{Zone: "a"}}, {Viewer: ir.Viewer{Zone: "a"}}, {Near: true, Viewer: ir.Viewer{Zone: "eu/b"}},
	{Near: true, Viewer: ir.Viewer{Zone: "eu/"}}, {Near: true, Viewer: ir.Viewer{Zone: "eu/a"}, Gateways: gateways},
	{Near: true, Viewer: ir.Viewer{Network: "east", Zone: "eu/a"}, Gateways: gateways}, {Viewer: ir.Viewer{Network: "east"}},
	{Viewer: ir.Viewer{Network: "nowhere"}, Gateways: gateways},
}

// TestAssignmentEncoder changes endpoints at random. The encoder makes the same bytes step by step as Assignment makes at
// once, whatever the order of the endpoints.
func TestAssignmentEncoder(t *testing.T) {
	for _, addresses := range []int{20, 400} { // few: many endpoints with the same address
		random := rand.New(rand.NewPCG(1, 2))
		encoder := envoy.NewAssignmentEncoder(admin)
		var endpoints []ir.Endpoint
		for step := range 400 {
			var removed, added []ir.Endpoint
			for range random.IntN(30) {
				added = append(added, randomEndpoint(random, addresses))
			}
			share := random.IntN(12)
			kept := endpoints[:0]
			for _, e := range endpoints {
				if random.IntN(12) < share || step%100 == 99 {
					removed = append(removed, e)
				} else {
					kept = append(kept, e)
				}
			}
			endpoints = append(kept, added...)
			random.Shuffle(len(endpoints), func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
			if err := encoder.Update(removed, added); err != nil {
				t.Fatal(err)
			}
			viewer := viewers[random.IntN(len(viewers))]
			got, err := encoder.For(viewer)
			if err != nil {
				t.Fatal(err)
			}
			want, err := envoy.Assignment(ir.EndpointSet{Target: admin, Endpoints: endpoints, Placement: viewer})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Body(), want.Body()) || got.Name() != want.Name() || got.Version() != want.Version() {
				t.Fatalf("step %d: %d endpoints have other bytes when they are encoded step by step:\n%x\nwant\n%x", step, len(endpoints), got.Body(), want.Body())
			}
		}
	}
}

func TestAssignmentEncoderAfterAnError(t *testing.T) {
	encoder := envoy.NewAssignmentEncoder(admin)
	good := []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Zone: "a"}}
	bad := []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.2:80"), Zone: "\xff"}}
	update := func(removed, added []ir.Endpoint) (*xds.Resource, error) {
		if err := encoder.Update(removed, added); err != nil {
			return nil, err
		}
		return encoder.For(ir.Placement{})
	}
	first, err := update(nil, good)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := update(nil, bad); err == nil {
			t.Error("a zone that is not UTF-8 is encoded")
		}
	}
	if again, err := update(append(bad, bad...), nil); err != nil || again.Version() != first.Version() {
		t.Errorf("after an error: %v", err)
	}
}

// TestAssignmentEncodingFollowsChange counts the endpoints that are encoded for one change among many, after the
// endpoints have been replaced by others several times.
func TestAssignmentEncodingFollowsChange(t *testing.T) {
	const count = 5000
	encoder := envoy.NewAssignmentEncoder(admin)
	random := rand.New(rand.NewPCG(3, 4))
	endpoint := func(i, weight int) ir.Endpoint {
		return ir.Endpoint{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9211), Weight: uint32(weight)}
	}
	update := func(removed, added []ir.Endpoint) int {
		t.Helper()
		before := encoder.Encoded()
		if err := encoder.Update(removed, added); err != nil {
			t.Fatal(err)
		}
		return encoder.Encoded() - before
	}
	var all []ir.Endpoint
	for _, i := range random.Perm(4 * count) {
		all = append(all, endpoint(i, 100))
	}
	for round := range 4 {
		var gone []ir.Endpoint
		if round > 0 {
			gone = all[(round-1)*count : round*count]
		}
		update(gone, all[round*count:(round+1)*count])
	}
	now := all[3*count:]
	if chunks := encoder.Chunks(); chunks > count/8 {
		t.Errorf("%d endpoints are in %d chunks", count, chunks)
	}
	for i, e := range now[:100] {
		changed := e
		changed.Weight = uint32(i)
		if encoded := update([]ir.Endpoint{e}, []ir.Endpoint{changed}); encoded > 2*64 { // two chunks, if it is at their border
			t.Errorf("one endpoint of %d changes: %d are encoded", count, encoded)
		}
	}
}

func randomEndpoint(r *rand.Rand, addresses int) ir.Endpoint {
	number := r.IntN(addresses)
	address := netip.AddrFrom4([4]byte{10, 0, byte(number >> 8), byte(number)})
	if r.IntN(4) == 0 {
		address = netip.MustParseAddr("fd00::1")
	}
	return ir.Endpoint{
		Address:    netip.AddrPortFrom(address, uint16(9211+r.IntN(3))),
		HealthPort: r.IntN(2) * 9300, Zone: mesh.ZoneName([]string{"", "a", "b", "eu/a", "eu/b"}[r.IntN(5)]), Network: mesh.NetworkName([]string{"", "", "east", "west"}[r.IntN(4)]),
		Weight: uint32(r.IntN(3)), Draining: r.IntN(4) == 0, Unhealthy: r.IntN(2) == 0,
	}
}

// BenchmarkOneOfTenThousand changes the weight of one endpoint among 10,000.
func BenchmarkOneOfTenThousand(b *testing.B) {
	encoder := envoy.NewAssignmentEncoder(admin)
	endpoints := make([]ir.Endpoint, 10_000)
	for i := range endpoints {
		endpoints[i] = ir.Endpoint{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9211), Weight: 100}
	}
	b.ReportAllocs()
	if err := encoder.Update(nil, endpoints); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		old := endpoints[5000]
		endpoints[5000].Weight++
		if err := encoder.Update([]ir.Endpoint{old}, endpoints[5000:5001]); err != nil {
			b.Fatal(err)
		}
		if _, err := encoder.For(ir.Placement{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestViewersShareEncodedEndpoints: endpoints are encoded once for clients at all places, and clients with the same
// priorities have one resource.
func TestViewersShareEncodedEndpoints(t *testing.T) {
	encoder := envoy.NewAssignmentEncoder(admin)
	var endpoints []ir.Endpoint
	for i := range 1000 {
		endpoints = append(endpoints, ir.Endpoint{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9211),
			Zone:    []mesh.ZoneName{"a", "b"}[i%2],
		})
	}
	if err := encoder.Update(nil, endpoints); err != nil {
		t.Fatal(err)
	}
	changed := endpoints[7]
	changed.Weight = 7
	before := encoder.Encoded()
	if err := encoder.Update(endpoints[7:8], []ir.Endpoint{changed}); err != nil {
		t.Fatal(err)
	}
	resources := map[*xds.Resource]bool{}
	for _, viewer := range []ir.Placement{
		{}, {Near: true}, {Near: true, Viewer: ir.Viewer{Zone: "c"}}, {Viewer: ir.Viewer{Zone: "a"}}, // all alike
		{Near: true, Viewer: ir.Viewer{Zone: "a"}}, {Near: true, Viewer: ir.Viewer{Zone: "b"}},
	} {
		r, err := encoder.For(viewer)
		if err != nil {
			t.Fatal(err)
		}
		resources[r] = true
	}
	if encoded := encoder.Encoded() - before; encoded > 2*64 {
		t.Errorf("one endpoint changes: %d are encoded", encoded)
	}
	if len(resources) != 3 {
		t.Errorf("there are %d resources, want 3", len(resources))
	}
}
