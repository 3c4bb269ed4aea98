package envoy

import (
	"fmt"
	"slices"
	"sort"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/xds"
)

// AssignmentEncoder encodes the endpoints of one target each time that they change. It keeps them in chunks, each
// with its encoded bytes, so a change costs the encoding of a chunk, and for each different assignment a copy of the
// chunks. It is not safe for
// concurrent use.
type AssignmentEncoder struct {
	name      string
	chunks    chunks
	unhealthy corev3.HealthStatus // the status of unhealthy endpoints in the encoded chunks
	groups    []group             // of all chunks, by place
	fields    []groupFields       // of each group
	made      map[string]*xds.Resource
	body      []byte // of the last assignment, for the space that it has: resources copy it
	encoded   int    // number of endpoints encoded since the start; only tests read it
}

// Field numbers of envoy.config.endpoint.v3.ClusterLoadAssignment and LocalityLbEndpoints.
const (
	assignmentNameField      = 1
	assignmentEndpointsField = 2
	localityEndpointsField   = 2
	localityPriorityField    = 5
)

// NewAssignmentEncoder returns an encoder for a target that has no endpoints yet.
func NewAssignmentEncoder(target ir.Target) *AssignmentEncoder {
	return &AssignmentEncoder{name: AssignmentName(target), made: map[string]*xds.Resource{}}
}

// Update removes endpoints and adds others. For returns the assignments that result. An endpoint that was added twice
// has to be removed twice. After an error the endpoints are as Update was asked to make them, and the next call encodes
// them again.
func (a *AssignmentEncoder) Update(removed, added []ir.Endpoint) error {
	for _, e := range removed {
		a.chunks.remove(e)
	}
	for _, e := range added {
		a.chunks.add(e)
	}
	if err := a.encodeChunks(); err != nil {
		return err
	}
	a.made = map[string]*xds.Resource{}
	return a.collect()
}

// encodeChunks encodes the chunks that have changed, or all of them if unhealthy endpoints get another status.
func (a *AssignmentEncoder) encodeChunks() error {
	unhealthy := corev3.HealthStatus_UNKNOWN
	if slices.ContainsFunc(a.chunks, (*chunk).hasHealthy) {
		unhealthy = corev3.HealthStatus_UNHEALTHY
	}
	for _, c := range a.chunks {
		if c.groups != nil && unhealthy == a.unhealthy {
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

// groupFields are the encoded fields of the message of one group.
type groupFields struct {
	locality  []byte   // the field before those of the endpoints
	endpoints [][]byte // the fields of the endpoints, many in each
	weight    []byte   // the field after them
	size      int      // of all
}

// collect brings the groups of all chunks together.
func (a *AssignmentEncoder) collect() error {
	index := map[place]int{}
	a.groups, a.fields = a.groups[:0], a.fields[:0]
	for _, c := range a.chunks {
		for _, encoded := range c.groups {
			i, found := index[encoded.place]
			if !found {
				i = len(a.groups)
				index[encoded.place] = i
				a.groups = append(a.groups, group{place: encoded.place})
				a.fields = append(a.fields, groupFields{})
			}
			a.groups[i].weight += encoded.weight
			a.groups[i].working = a.groups[i].working || encoded.working
			a.fields[i].endpoints = append(a.fields[i].endpoints, encoded.fields)
			a.fields[i].size += len(encoded.fields)
		}
	}
	sort.Sort(byPlace{a})
	for i := range a.fields {
		if err := a.fields[i].frame(a.groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// byPlace sorts the groups of an encoder, and their fields with them.
type byPlace struct{ *AssignmentEncoder }

func (s byPlace) Len() int           { return len(s.groups) }
func (s byPlace) Less(i, j int) bool { return s.groups[i].compare(s.groups[j].place) < 0 }

func (s byPlace) Swap(i, j int) {
	s.groups[i], s.groups[j] = s.groups[j], s.groups[i]
	s.fields[i], s.fields[j] = s.fields[j], s.fields[i]
}

// frame encodes the fields of a group's message other than its endpoints and priority.
func (f *groupFields) frame(g group) error {
	for _, part := range []struct {
		to *[]byte
		m  *endpointv3.LocalityLbEndpoints
	}{
		{&f.locality, &endpointv3.LocalityLbEndpoints{Locality: LocalityOf(g.zone)}},
		{&f.weight, &endpointv3.LocalityLbEndpoints{LoadBalancingWeight: g.weight.value()}},
	} {
		field, err := proto.MarshalOptions{Deterministic: true}.Marshal(part.m)
		if err != nil {
			return err
		}
		*part.to = field
		f.size += len(field)
	}
	return nil
}

// For returns the same bytes as Assignment for the endpoints after the last Update, which has not returned an error, as
// a client gets them. Clients for whom the priorities are the same share one resource.
func (a *AssignmentEncoder) For(viewer ir.Placement) (*xds.Resource, error) {
	localities := localitiesFor(viewer, a.groups)
	key := sameFor(viewer, localities)
	if made := a.made[key]; made != nil {
		return made, nil
	}
	body, err := a.assemble(localities)
	if err != nil {
		return nil, err
	}
	made := xds.NewResource(xds.EndpointType, a.name, body, xds.ResourceOptions{})
	a.made[key] = made
	return made, nil
}

// sameFor returns what an assignment depends on besides the endpoints: the network, whose own endpoints are in it, the
// priorities and gateways.
func sameFor(viewer ir.Placement, localities []viewed) string {
	key := []byte(viewer.Network)
	for _, l := range localities {
		key = append(key, 0, byte(l.priority))
		if l.gateways != nil {
			key = fmt.Append(append(key, 1), l.network, viewer.Gateways[l.network])
		}
	}
	return string(key)
}

// assemble returns the encoded ClusterLoadAssignment.
func (a *AssignmentEncoder) assemble(localities []viewed) ([]byte, error) {
	size := len(a.name) + 8
	for _, l := range localities {
		size += a.fields[l.group].size + 8
	}
	body := slices.Grow(a.body[:0], size)
	body = protowire.AppendTag(body, assignmentNameField, protowire.BytesType)
	body = protowire.AppendString(body, a.name)
	for _, l := range localities {
		body = protowire.AppendTag(body, assignmentEndpointsField, protowire.BytesType)
		if l.gateways != nil {
			l.gateways.Priority = l.priority
			message, err := proto.MarshalOptions{Deterministic: true}.Marshal(l.gateways)
			if err != nil {
				return nil, err
			}
			body = protowire.AppendBytes(body, message)
			continue
		}
		var priority []byte
		if l.priority > 0 {
			priority = protowire.AppendVarint(protowire.AppendTag(nil, localityPriorityField, protowire.VarintType), uint64(l.priority))
		}
		fields := a.fields[l.group]
		body = protowire.AppendVarint(body, uint64(fields.size+len(priority)))
		body = append(body, fields.locality...)
		for _, some := range fields.endpoints {
			body = append(body, some...)
		}
		body = append(append(body, fields.weight...), priority...)
	}
	a.body = body
	return body, nil
}
