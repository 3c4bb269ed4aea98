package envoy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// errNoMetadata is the error for a client that was not started with a bootstrap of doyen.
var errNoMetadata = fmt.Errorf("metadata has no %q: start it with what `doyen bootstrap envoy` or `doyen bootstrap grpc` prints", mesh.MetadataKey)

// NodeProto returns the message by which n identifies itself to a server. instance distinguishes the nodes of one
// service or edge.
func NodeProto(n mesh.Node, instance string) (*corev3.Node, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	metadata := &structpb.Struct{}
	if err := metadata.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	return &corev3.Node{
		Id:       NodeID(n, instance),
		Cluster:  NodeCluster(n),
		Locality: LocalityOf(n.Zone),
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{mesh.MetadataKey: structpb.NewStructValue(metadata)}},
	}, nil
}

// LocalityOf returns a zone as Envoy and gRPC know it.
func LocalityOf(name mesh.ZoneName) *corev3.Locality {
	region, zone := name.Split()
	return &corev3.Locality{Region: region, Zone: zone}
}

// zoneOf returns the zone that LocalityOf made l of; "" if it made none like it.
func zoneOf(l *corev3.Locality) mesh.ZoneName {
	name := l.GetZone()
	if region := l.GetRegion(); region != "" {
		name = region + "/" + name
	}
	zone, _ := mesh.ParseZoneName(name)
	return zone
}

// NodeFromMetadata decodes how an xDS client identifies itself. Its errors are for the person who started the client.
// It ignores fields that this server does not know, since newer agents may send them.
func NodeFromMetadata(node *corev3.Node) (mesh.Node, error) {
	n, err := decodeNode(node)
	if err == nil {
		err = errors.Join(checkNode(n), checkAgent(n, node.GetUserAgentName()))
	}
	if err != nil {
		return mesh.Node{}, fmt.Errorf("node %q: %w", node.GetId(), err)
	}
	if n.Zone == "" {
		n.Zone = zoneOf(node.GetLocality())
	}
	return n, nil
}

func decodeNode(node *corev3.Node) (mesh.Node, error) {
	value := node.GetMetadata().GetFields()[mesh.MetadataKey]
	if value == nil {
		return mesh.Node{}, errNoMetadata
	}
	text, err := json.Marshal(value.AsInterface())
	if err != nil {
		return mesh.Node{}, fmt.Errorf("metadata %q: %w", mesh.MetadataKey, err)
	}
	var n mesh.Node
	if err := json.Unmarshal(text, &n); err != nil {
		return mesh.Node{}, fmt.Errorf("metadata %q: %w", mesh.MetadataKey, err)
	}
	return n, nil
}

// checkNode checks that n is valid and has the fields of its role.
func checkNode(n mesh.Node) error {
	var errs []error
	switch n.Role {
	case mesh.Sidecar, mesh.Proxyless:
		_, err := mesh.ParseServiceName(string(n.Service))
		errs = append(errs, err)
	case mesh.EdgeProxy:
		_, err := mesh.ParseEdgeName(string(n.Edge))
		errs = append(errs, err)
	default:
		errs = append(errs, fmt.Errorf("role %q: want %s, %s or %s", n.Role, mesh.Sidecar, mesh.EdgeProxy, mesh.Proxyless))
	}
	_, err := mesh.ParseZoneName(string(n.Zone))
	_, err2 := mesh.ParseNetworkName(string(n.Network))
	errs = append(errs, err, err2, checkPort("egress", n.Ports.Egress), checkPort("capture", n.Capture.Port))
	errs = append(errs, checkPorts("ingress", n.Ports.Ingress), checkPorts("app", n.Ports.App),
		checkPorts("tcp", n.Ports.TCP), checkPorts("edge", n.Ports.Edge))
	return errors.Join(errs...)
}

// checkAgent detects a bootstrap that was given to the wrong kind of client, which could use nothing that it would be
// sent. Other user agents, such as relays and tests, are accepted.
func checkAgent(n mesh.Node, agent string) error {
	isGRPC := strings.HasPrefix(strings.ToLower(agent), "grpc")
	switch {
	case n.Role == mesh.Proxyless && agent == "envoy":
		return fmt.Errorf("role %s: this is an Envoy, and needs what `doyen bootstrap envoy` prints", n.Role)
	case n.Role != mesh.Proxyless && isGRPC:
		return fmt.Errorf("role %s: this is %s, and needs what `doyen bootstrap grpc` prints", n.Role, agent)
	}
	return nil
}

func checkPorts[K ~string](what string, ports map[K]int) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		if name == "" || ports[name] == 0 {
			errs = append(errs, fmt.Errorf("ports.%s: %q is %d: want a name and 1-65535", what, name, ports[name]))
			continue
		}
		errs = append(errs, checkPort(fmt.Sprintf("%s[%s]", what, name), ports[name]))
	}
	return errors.Join(errs...)
}

// checkPort accepts 0, which means that there is no port.
func checkPort(what string, port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("ports.%s: %d is not in 1-65535", what, port)
	}
	return nil
}
