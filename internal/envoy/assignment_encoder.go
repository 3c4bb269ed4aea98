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

// AssignmentEncoder encodes the endpoints of one target each time that they change. It keeps them in chunks, each
// with its encoded bytes, so a change costs the encoding of a chunk and a copy of the other chunks. It is not safe for
// concurrent use.
type AssignmentEncoder struct {
	name      string
	chunks    chunks
	unhealthy corev3.HealthStatus // the status of unhealthy endpoints in the encoded chunks
	body      []byte              // of the last assignment, for the space that it has: resources copy it
	encoded   int                 // number of endpoints encoded since the start; only tests read it
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

// Update removes endpoints, adds others and returns the same bytes as Assignment for the endpoints that result. An
// endpoint that was added twice has to be removed twice. After an error the endpoints are as Update was asked to make
// them, and the next call encodes them again.
func (a *AssignmentEncoder) Update(removed, added []ir.Endpoint) (*xds.Resource, error) {
	for _, e := range removed {
		a.chunks.remove(e)
	}
	for _, e := range added {
		a.chunks.add(e)
	}
	if err := a.encodeChunks(); err != nil {
		return nil, err
	}
	body, err := a.assemble()
	if err != nil {
		return nil, err
	}
	return xds.NewResource(xds.EndpointType, a.name, body, xds.ResourceOptions{}), nil
}

// encodeChunks encodes the chunks that have changed, or all of them if unhealthy endpoints get another status.
func (a *AssignmentEncoder) encodeChunks() error {
	unhealthy := corev3.HealthStatus_UNKNOWN
	if slices.ContainsFunc(a.chunks, (*chunk).hasHealthy) {
		unhealthy = corev3.HealthStatus_UNHEALTHY
	}
	for _, c := range a.chunks {
		if c.zones != nil && unhealthy == a.unhealthy {
			continue
		}
		if err := c.encode(unhealthy); err != nil {
			a.unhealthy = -1 // chunks may differ in it
			return err
		}
		a.encoded += len(c.endpoints)
	}
	a.unhealthy = unhealthy
	return nil
}

// zoneFields are the encoded fields of the message of one zone.
type zoneFields struct {
	first, last []byte   // the fields before and after those of the endpoints
	endpoints   [][]byte // the fields of the endpoints, many in each
	weight      weightSum
	size        int
}

// assemble returns the encoded ClusterLoadAssignment.
func (a *AssignmentEncoder) assemble() ([]byte, error) {
	zones := map[mesh.ZoneName]*zoneFields{}
	for _, c := range a.chunks {
		for _, encoded := range c.zones {
			zone := zones[encoded.name]
			if zone == nil {
				zone = &zoneFields{}
				zones[encoded.name] = zone
			}
			zone.endpoints = append(zone.endpoints, encoded.fields)
			zone.weight += encoded.weight
			zone.size += len(encoded.fields)
		}
	}
	size := len(a.name) + 8
	for name, zone := range zones {
		if err := zone.frame(name); err != nil {
			return nil, err
		}
		size += zone.size + 8
	}
	body := slices.Grow(a.body[:0], size)
	body = protowire.AppendTag(body, assignmentNameField, protowire.BytesType)
	body = protowire.AppendString(body, a.name)
	for _, name := range slices.Sorted(maps.Keys(zones)) {
		zone := zones[name]
		body = protowire.AppendTag(body, assignmentEndpointsField, protowire.BytesType)
		body = protowire.AppendVarint(body, uint64(zone.size))
		body = append(body, zone.first...)
		for _, fields := range zone.endpoints {
			body = append(body, fields...)
		}
		body = append(body, zone.last...)
	}
	a.body = body
	return body, nil
}

// frame encodes the fields of a zone's message other than its endpoints.
func (z *zoneFields) frame(name mesh.ZoneName) error {
	for _, part := range []struct {
		to *[]byte
		m  *endpointv3.LocalityLbEndpoints
	}{
		{&z.first, &endpointv3.LocalityLbEndpoints{Locality: LocalityOf(name)}},
		{&z.last, &endpointv3.LocalityLbEndpoints{LoadBalancingWeight: z.weight.value()}},
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
