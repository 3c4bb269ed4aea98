package envoy_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

var admin = ir.Target{Kind: ir.Service, Name: "users", Port: "admin"}

// TestAssignmentEncoder changes endpoints at random. What an encoder makes step by step has the same bytes as
// what is made at once.
func TestAssignmentEncoder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	encoder := envoy.NewAssignmentEncoder(admin)
	var endpoints []ir.Endpoint
	for step := range 300 {
		switch n := len(endpoints); {
		case n == 0 || random.IntN(3) == 0:
			endpoints = append(endpoints, randomEndpoint(random))
		case random.IntN(2) == 0:
			endpoints[random.IntN(n)] = randomEndpoint(random)
		case step%50 == 0:
			endpoints = nil
		default:
			i := random.IntN(n)
			endpoints = append(endpoints[:i], endpoints[i+1:]...)
		}
		got, err := encoder.Encode(endpoints)
		if err != nil {
			t.Fatal(err)
		}
		want, err := envoy.Assignment(ir.EndpointSet{Target: admin, Endpoints: endpoints})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Body(), want.Body()) || got.Name() != want.Name() || got.Version() != want.Version() {
			t.Fatalf("step %d: %d endpoints have other bytes when they are encoded step by step:\n%x\nwant\n%x", step, len(endpoints), got.Body(), want.Body())
		}
	}
}

func TestAssignmentEncoderAfterAnError(t *testing.T) {
	encoder := envoy.NewAssignmentEncoder(admin)
	good := []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Zone: "a"}}
	first, err := encoder.Encode(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := encoder.Encode([]ir.Endpoint{{Address: good[0].Address, Zone: "\xff"}}); err == nil {
		t.Error("a zone that is not UTF-8 is encoded")
	}
	if again, err := encoder.Encode(good); err != nil || again.Version() != first.Version() {
		t.Errorf("after an error: %v", err)
	}
}

func randomEndpoint(r *rand.Rand) ir.Endpoint {
	address := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(60))})
	if r.IntN(4) == 0 {
		address = netip.MustParseAddr("fd00::1")
	}
	return ir.Endpoint{
		Address:    netip.AddrPortFrom(address, uint16(9211+r.IntN(3))),
		HealthPort: r.IntN(2) * 9300, Zone: mesh.ZoneName([]string{"", "a", "b"}[r.IntN(3)]),
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
	for b.Loop() {
		endpoints[5000].Weight++
		if _, err := encoder.Encode(endpoints); err != nil {
			b.Fatal(err)
		}
	}
}
