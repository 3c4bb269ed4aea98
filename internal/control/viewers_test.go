package control

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// viewing is a client that watches the assignment of users.
type viewing struct {
	mu      sync.Mutex
	has     string // "0 eu/a 10.0.0.1:80, 1 eu/b 10.0.0.2:80"
	updates int
}

func (v *viewing) take(u *client.Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range u.Resources {
		v.has, v.updates = shown(r.Body.GetValue()), v.updates+1
	}
	u.Accept()
}

func (v *viewing) get() (string, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.has, v.updates
}

// shown is an assignment as text: the priority, locality and address of each endpoint.
func shown(body []byte) string {
	var cla endpointv3.ClusterLoadAssignment
	if err := proto.Unmarshal(body, &cla); err != nil {
		return err.Error()
	}
	var all []string
	for _, l := range cla.Endpoints {
		zone := strings.Trim(l.Locality.Region+"/"+l.Locality.Zone+l.Locality.SubZone, "/")
		for _, e := range l.LbEndpoints {
			at := e.GetEndpoint().Address.GetSocketAddress()
			all = append(all, fmt.Sprintf("%d %s %s:%d", l.Priority, zone, at.Address, at.GetPortValue()))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// viewUsers connects a client that watches the assignment of users.
func (s *scene) viewUsers(conn *grpc.ClientConn, n mesh.Node, id string) *viewing {
	s.t.Helper()
	proto := node(s.t, n).Proto
	proto.Id = id
	v := &viewing{}
	c := client.New(conn, client.Options{Node: proto, Handle: v.take})
	c.Subscribe(xds.EndpointType, "users")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return v
}

func (s *scene) awaitView(v *viewing, want string) {
	s.t.Helper()
	eventually(s.t, "a client sees "+want, func() bool { got, _ := v.get(); return got == want })
}

// checkInAt adds or changes an instance of users.
func (s *scene) checkInAt(zone mesh.ZoneName, address string, weight uint32) {
	s.t.Helper()
	i := registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)}, Zone: zone, Weight: weight}
	if _, err := s.registry.CheckIn(s.t.Context(), i.WithDefaults()); err != nil {
		s.t.Fatal(err)
	}
}

// TestZonesOfClients: clients in different zones have one view, and each gets the assignment for its zone. A client whose
// zone has no instance gets what clients of its region, or clients without a zone, get, and its own as soon as there is one.
func TestZonesOfClients(t *testing.T) {
	s := start(t, webCallsUsers)
	s.checkInAt("eu/a", "10.0.0.1:80", 0)
	s.checkInAt("eu/b", "10.0.0.2:80", 0)
	s.checkInAt("us/a", "10.0.0.3:80", 0)
	conn := s.serve()
	seen := map[mesh.ZoneName]*viewing{}
	for zone, want := range map[mesh.ZoneName]string{
		"":     "0 eu/a 10.0.0.1:80, 0 eu/b 10.0.0.2:80, 0 us/a 10.0.0.3:80",
		"asia": "0 eu/a 10.0.0.1:80, 0 eu/b 10.0.0.2:80, 0 us/a 10.0.0.3:80",
		"eu/a": "0 eu/a 10.0.0.1:80, 1 eu/b 10.0.0.2:80, 2 us/a 10.0.0.3:80",
		"eu/b": "0 eu/b 10.0.0.2:80, 1 eu/a 10.0.0.1:80, 2 us/a 10.0.0.3:80",
		"eu/c": "0 eu/a 10.0.0.1:80, 0 eu/b 10.0.0.2:80, 1 us/a 10.0.0.3:80",
		"us/a": "0 us/a 10.0.0.3:80, 1 eu/a 10.0.0.1:80, 1 eu/b 10.0.0.2:80",
	} {
		seen[zone] = s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Zone: zone}, "web-"+string(zone))
		parts := strings.Split(want, ", ")
		slices.Sort(parts)
		s.awaitView(seen[zone], strings.Join(parts, ", "))
	}
	if n := len(s.viewers.caches); n != 5 { // eu/a, eu/b, another zone of eu, us/a, and no zone
		t.Errorf("there are assignments for %d places, want 5", n)
	}
	s.checkInAt("eu/c", "10.0.0.4:80", 0)
	s.awaitView(seen["eu/c"], "0 eu/c 10.0.0.4:80, 1 eu/a 10.0.0.1:80, 1 eu/b 10.0.0.2:80, 2 us/a 10.0.0.3:80")
	s.awaitView(seen["asia"], "0 eu/a 10.0.0.1:80, 0 eu/b 10.0.0.2:80, 0 eu/c 10.0.0.4:80, 0 us/a 10.0.0.3:80")
	s.awaitView(seen["us/a"], "0 us/a 10.0.0.3:80, 1 eu/a 10.0.0.1:80, 1 eu/b 10.0.0.2:80, 1 eu/c 10.0.0.4:80")
}

// TestLocalityNone: without preference, all clients share one resource.
func TestLocalityNone(t *testing.T) {
	s := start(t, webCallsUsers)
	s.checkInAt("eu/a", "10.0.0.1:80", 0)
	s.checkInAt("eu/b", "10.0.0.2:80", 0)
	conn := s.serve()
	near := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Zone: "eu/b"}, "web-1")
	s.awaitView(near, "0 eu/b 10.0.0.2:80, 1 eu/a 10.0.0.1:80")
	s.documents.set(t, oneFile("kind: Mesh\nname: m\ndefaults: {locality: none}\n---\n"+webCallsUsers))
	s.awaitView(near, "0 eu/a 10.0.0.1:80, 0 eu/b 10.0.0.2:80")
	for viewer, cache := range s.viewers.caches {
		if cache.Get("users") != s.endpoints.Get("users") {
			t.Errorf("clients in %q have another resource", viewer.Zone)
		}
	}
}

// TestZonesOfHostileClients: whatever zones clients claim, the places that assignments are made for are bounded.
func TestZonesOfHostileClients(t *testing.T) {
	s := start(t, webCallsUsers)
	for n := range 2 * maxViewers {
		s.viewers.cacheOf(mesh.Node{Zone: mesh.ZoneName(fmt.Sprintf("z%d", n))})
	}
	if n := len(s.viewers.caches); n != 1 {
		t.Errorf("zones without instances have %d caches, want 1", n)
	}
	for n := range maxZones + 10 {
		s.checkInAt(mesh.ZoneName(fmt.Sprintf("z%d", n)), fmt.Sprintf("10.0.%d.%d:80", n/256, n%256), 0)
	}
	s.until("all instances", func(state *State) bool { return state.Instances.Size() == maxZones+10 })
	for n := range 2 * maxViewers {
		s.viewers.cacheOf(mesh.Node{Zone: mesh.ZoneName(fmt.Sprintf("z%d", n))})
	}
	if n := len(s.viewers.caches); n != maxViewers {
		t.Errorf("there are %d caches, want %d", n, maxViewers)
	}
}

// inNetworks is a mesh of three networks, of which one has no gateway.
func inNetworks(gateway string) oneFile {
	return oneFile(fmt.Sprintf(`kind: Mesh
name: m
networks:
- {name: default, gateways: 192.0.2.1, port: 80}
- {name: east, gateways: [%s], port: 81}
- {name: dark}
---
kind: Edge
name: gateway
listeners: 81
gateway: east
---
`, gateway)) + webCallsUsers
}

// TestNetworksOfClients: instances in other networks are their gateways, equal addresses in two networks are different
// endpoints, and a gateway leads to no other gateway.
func TestNetworksOfClients(t *testing.T) {
	s := start(t, inNetworks("192.0.2.2"))
	for network, zone := range map[mesh.NetworkName]mesh.ZoneName{"": "eu/a", "east": "us/a", "dark": "eu/a", "unlisted": "eu/a"} {
		i := registry.Instance{Key: registry.Key{Service: "users", Network: network, Address: netip.MustParseAddrPort("10.0.0.1:80")}, Zone: zone}
		if network == "" {
			i.Address = netip.MustParseAddrPort("10.0.0.2:80")
			if _, err := s.registry.CheckIn(t.Context(), i.WithDefaults()); err != nil {
				t.Fatal(err)
			}
			i.Address = netip.MustParseAddrPort("10.0.0.1:80")
		}
		if _, err := s.registry.CheckIn(t.Context(), i.WithDefaults()); err != nil {
			t.Fatal(err)
		}
	}
	conn := s.serve()
	here := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web"}, "here")
	near := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Zone: "eu/a"}, "near")
	east := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Network: "east"}, "east")
	dark := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Network: "dark"}, "dark")
	unlisted := s.viewUsers(conn, mesh.Node{Role: mesh.Sidecar, Service: "web", Network: "unlisted"}, "unlisted")
	gateway := s.viewUsers(conn, mesh.Node{Role: mesh.EdgeProxy, Edge: "gateway"}, "gateway")
	s.awaitView(here, "0 eu/a 10.0.0.1:80, 0 eu/a 10.0.0.2:80, 1 network/east 192.0.2.2:81")
	s.awaitView(near, "0 eu/a 10.0.0.1:80, 0 eu/a 10.0.0.2:80, 1 network/east 192.0.2.2:81")
	s.awaitView(east, "0 us/a 10.0.0.1:80, 1 network 192.0.2.1:80")
	s.awaitView(dark, "0 eu/a 10.0.0.1:80, 1 network 192.0.2.1:80, 1 network/east 192.0.2.2:81")
	s.awaitView(unlisted, "0 network 192.0.2.1:80, 0 network/east 192.0.2.2:81")
	s.awaitView(gateway, "0 us/a 10.0.0.1:80")

	s.documents.set(t, inNetworks("192.0.2.3, 192.0.2.4"))
	s.awaitView(here, "0 eu/a 10.0.0.1:80, 0 eu/a 10.0.0.2:80, 1 network/east 192.0.2.3:81, 1 network/east 192.0.2.4:81")
	s.awaitView(gateway, "0 us/a 10.0.0.1:80")
	s.documents.set(t, webCallsUsers)
	s.awaitView(here, "0 eu/a 10.0.0.1:80, 0 eu/a 10.0.0.2:80")
	s.awaitView(east, "") // its network is not known
}

// TestGatewayFollowsServices: a gateway leads to every service, also to one that is new.
func TestGatewayFollowsServices(t *testing.T) {
	s := start(t, inNetworks("192.0.2.2"))
	key := s.views.keyOf(node(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "gateway"}))
	s.view(key, "the gateway's view", s.upToDate)
	if has := s.snapshots.Snapshot(key).Get(xds.Ref{Type: xds.ClusterType, Name: "users"}); has == nil {
		t.Error("the gateway has no cluster users")
	}
	s.documents.set(t, inNetworks("192.0.2.2")+"---\nkind: Service\nname: new\nports: 8080\n")
	eventually(t, "the gateway has the new service", func() bool {
		return s.snapshots.Snapshot(key).Get(xds.Ref{Type: xds.ClusterType, Name: "new"}) != nil
	})
}
