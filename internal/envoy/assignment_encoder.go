package envoy

import (
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// AssignmentEncoder encodes the endpoints of one target each time that they change. It keeps the encoded bytes of
// each endpoint, so a change costs the encoding of what changed and a copy of the rest. It is not safe for concurrent
// use.
type AssignmentEncoder struct {
	name string
	last []*encodedEndpoint // by address
}

// encodedEndpoint is an endpoint with its encoded field of LocalityLbEndpoints, including tag and length.
type encodedEndpoint struct {
	ir.Endpoint
	status corev3.HealthStatus // it depends on the other endpoints
	field  []byte
}

// Field numbers of envoy.config.endpoint.v3.ClusterLoadAssignment and LocalityLbEndpoints.
const (
	assignmentNameField      = 1
	assignmentEndpointsField = 2
	localityEndpointsField   = 2
)

// NewAssignmentEncoder returns an encoder for a target that has no endpoints yet.
func NewAssignmentEncoder(target ir.Target) *AssignmentEncoder {
	return &AssignmentEncoder{name: AssignmentName(target)}
}

// Encode returns the same bytes as Assignment. After an error the encoder is unchanged. Encode does not keep the
// slice endpoints.
func (a *AssignmentEncoder) Encode(endpoints []ir.Endpoint) (*xds.Resource, error) {
	encoded, err := a.encodeEndpoints(distinct(endpoints))
	if err != nil {
		return nil, err
	}
	body, err := a.assemble(encoded)
	if err != nil {
		return nil, err
	}
	a.last = encoded
	return xds.NewResource(xds.EndpointType, a.name, body, xds.ResourceOptions{}), nil
}

// encodeEndpoints encodes the endpoints that have changed. Both lists are sorted by address.
func (a *AssignmentEncoder) encodeEndpoints(endpoints []ir.Endpoint) ([]*encodedEndpoint, error) {
	last, unhealthy := a.last, unhealthyStatus(endpoints)
	encoded := make([]*encodedEndpoint, len(endpoints))
	for i, e := range endpoints {
		for len(last) > 0 && last[0].Address.Compare(e.Address) < 0 {
			last = last[1:]
		}
		status := healthStatus(e, unhealthy)
		if len(last) > 0 && last[0].Endpoint == e && last[0].status == status {
			encoded[i] = last[0]
			continue
		}
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(lbEndpoint(e, status))
		if err != nil {
			return nil, err
		}
		field := protowire.AppendTag(make([]byte, 0, len(body)+4), localityEndpointsField, protowire.BytesType)
		encoded[i] = &encodedEndpoint{e, status, protowire.AppendBytes(field, body)}
	}
	return encoded, nil
}

// zoneFields holds the endpoints of one zone and the sizes of the fields of its message.
type zoneFields struct {
	endpoints   []*encodedEndpoint
	first, last []byte // the fields before and after those of the endpoints
	size        int
}

// assemble returns the whole ClusterLoadAssignment.
func (a *AssignmentEncoder) assemble(endpoints []*encodedEndpoint) ([]byte, error) {
	zones := map[mesh.ZoneName]*zoneFields{}
	var zone *zoneFields
	for i, e := range endpoints {
		if i == 0 || e.Zone != endpoints[i-1].Zone {
			if zone = zones[e.Zone]; zone == nil {
				zone = &zoneFields{}
				zones[e.Zone] = zone
			}
		}
		if i == 0 { // often the only zone
			zone.endpoints = make([]*encodedEndpoint, 0, len(endpoints))
		}
		zone.endpoints = append(zone.endpoints, e)
		zone.size += len(e.field)
	}
	size := len(a.name) + 8
	for name, zone := range zones {
		if err := zone.frame(name); err != nil {
			return nil, err
		}
		size += zone.size + 8
	}
	body := protowire.AppendTag(make([]byte, 0, size), assignmentNameField, protowire.BytesType)
	body = protowire.AppendString(body, a.name)
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		zone := zones[name]
		body = protowire.AppendTag(body, assignmentEndpointsField, protowire.BytesType)
		body = protowire.AppendVarint(body, uint64(zone.size))
		body = append(body, zone.first...)
		for _, e := range zone.endpoints {
			body = append(body, e.field...)
		}
		body = append(body, zone.last...)
	}
	return body, nil
}

// frame encodes the fields of a zone's message other than its endpoints.
func (z *zoneFields) frame(name mesh.ZoneName) error {
	var total weightSum
	for _, e := range z.endpoints {
		total.add(e.Endpoint, e.status)
	}
	for _, part := range []struct {
		to *[]byte
		m  *endpointv3.LocalityLbEndpoints
	}{
		{&z.first, &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Zone: string(name)}}},
		{&z.last, &endpointv3.LocalityLbEndpoints{LoadBalancingWeight: total.value()}},
	} {
		field, err := proto.MarshalOptions{Deterministic: true}.Marshal(part.m)
		if err != nil {
			return err
		}
		*part.to = field
		z.size += len(field)
	}
	return nil
}
