package envoy

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// chunkSize is the number of endpoints above which a chunk is split.
const chunkSize = 64

// chunks are endpoints sorted by compareEndpoints. Endpoints with the same socket are in one chunk.
type chunks []*chunk

// chunk is some of the endpoints of a target that follow each other.
type chunk struct {
	endpoints []ir.Endpoint  // at least one
	groups    []encodedGroup // nil if the endpoints have changed since they were encoded
}

// encodedGroup are the endpoints of a chunk at one place, as fields of LocalityLbEndpoints. They do not depend on who
// views them.
type encodedGroup struct {
	group
	fields []byte
}

// compareSockets orders endpoints by network and address.
func compareSockets(a, b ir.Endpoint) int {
	return cmp.Or(strings.Compare(string(a.Network), string(b.Network)), a.Address.Compare(b.Address))
}

// compareEndpoints orders endpoints by socket. Of endpoints with the same socket, the first is the one that is used:
// a healthy one before others, and otherwise whichever, but always the same.
func compareEndpoints(a, b ir.Endpoint) int {
	return cmp.Or(
		compareSockets(a, b),
		compareBools(a.Draining, b.Draining), compareBools(a.Unhealthy, b.Unhealthy),
		strings.Compare(string(a.Zone), string(b.Zone)),
		cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.HealthPort, b.HealthPort), strings.Compare(a.Identity, b.Identity),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// find returns the index of the chunk that an endpoint belongs to, -1 if it is before all chunks.
func (cs chunks) find(e ir.Endpoint) int {
	return sort.Search(len(cs), func(i int) bool { return compareSockets(cs[i].endpoints[0], e) > 0 }) - 1
}

func (cs *chunks) add(e ir.Endpoint) {
	if len(*cs) == 0 {
		*cs = chunks{{endpoints: []ir.Endpoint{e}}}
		return
	}
	at := max(0, cs.find(e))
	c := (*cs)[at]
	i, _ := slices.BinarySearchFunc(c.endpoints, e, compareEndpoints)
	c.endpoints, c.groups = slices.Insert(c.endpoints, i, e), nil
	if i := c.middle(); len(c.endpoints) > chunkSize && i > 0 {
		rest := &chunk{endpoints: slices.Clone(c.endpoints[i:])}
		c.endpoints = slices.Clone(c.endpoints[:i])
		*cs = slices.Insert(*cs, at+1, rest)
	}
}

// middle returns the index at which to split a chunk, 0 if all of its endpoints have the same socket.
func (c *chunk) middle() int {
	i := len(c.endpoints) / 2
	for ; i > 0 && compareSockets(c.endpoints[i-1], c.endpoints[i]) == 0; i-- {
	}
	return i
}

// remove removes an endpoint if it is there.
func (cs *chunks) remove(e ir.Endpoint) {
	at := cs.find(e)
	if at < 0 {
		return
	}
	c := (*cs)[at]
	i, found := slices.BinarySearchFunc(c.endpoints, e, compareEndpoints)
	if !found {
		return
	}
	c.endpoints, c.groups = slices.Delete(c.endpoints, i, i+1), nil
	switch next := at + 1; {
	case len(c.endpoints) == 0:
		*cs = slices.Delete(*cs, at, at+1)
	case next < len(*cs) && len(c.endpoints)+len((*cs)[next].endpoints) <= chunkSize/2:
		c.endpoints = append(c.endpoints, (*cs)[next].endpoints...)
		*cs = slices.Delete(*cs, next, next+1)
	}
}

// distinct calls do with the first endpoint of each socket.
func (c *chunk) distinct(do func(e *ir.Endpoint) error) error {
	for i := range c.endpoints {
		if i > 0 && compareSockets(c.endpoints[i-1], c.endpoints[i]) == 0 {
			continue
		}
		if err := do(&c.endpoints[i]); err != nil {
			return err
		}
	}
	return nil
}

// hasHealthy reports whether an endpoint is neither draining nor unhealthy. Such an endpoint is the first of its
// socket.
func (c *chunk) hasHealthy() bool {
	return slices.ContainsFunc(c.endpoints, func(e ir.Endpoint) bool { return !e.Draining && !e.Unhealthy })
}

// encode encodes the endpoints of a chunk. unhealthy is the status of those that are unhealthy.
func (c *chunk) encode(unhealthy corev3.HealthStatus) error {
	var groups []encodedGroup
	err := c.distinct(func(e *ir.Endpoint) error {
		status := healthStatus(*e, unhealthy)
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(lbEndpoint(*e, status))
		if err != nil {
			return err
		}
		at := place{e.Network, e.Zone}
		i := slices.IndexFunc(groups, func(g encodedGroup) bool { return g.place == at })
		if i < 0 {
			i, groups = len(groups), append(groups, encodedGroup{group: group{place: at}})
		}
		g := &groups[i]
		g.fields = protowire.AppendTag(g.fields, localityEndpointsField, protowire.BytesType)
		g.fields = protowire.AppendBytes(g.fields, body)
		g.add(*e, status)
		return nil
	})
	if err != nil {
		return err
	}
	c.groups = groups
	return nil
}
