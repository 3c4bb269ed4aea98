package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/xds/client"
)

// complete marks, as the version of a type, a collection with everything that the wildcard matches.
const complete = "complete"

// encode writes what a client acknowledged, in the form that store describes.
func encode(id string, types map[string]*collection) ([]byte, error) {
	var body bytes.Buffer
	if _, err := protodelim.MarshalTo(&body, &discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: id}}); err != nil {
		return nil, err
	}
	for _, typeURL := range slices.Sorted(maps.Keys(types)) {
		if _, err := protodelim.MarshalTo(&body, types[typeURL].message()); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(body.Bytes())
	return slices.Concat([]byte(format), sum[:], body.Bytes()), nil
}

// message is what a server would send a client that has nothing.
func (c *collection) message() *discoveryv3.DeltaDiscoveryResponse {
	m := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: c.typeURL}
	if c.complete {
		m.SystemVersionInfo = complete
	}
	all := maps.Clone(c.dropped)
	maps.Copy(all, c.accepted)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		e := all[name]
		r := &discoveryv3.Resource{
			Name: name, Version: e.version, Aliases: e.resource.Aliases(),
			Resource: &anypb.Any{TypeUrl: c.typeURL, Value: e.resource.Body()},
		}
		if ttl := e.resource.TTL(); ttl > 0 {
			r.Ttl = durationpb.New(ttl)
		}
		m.Resources = append(m.Resources, r)
	}
	return m
}

var errDamaged = errors.New("the copy is damaged")

// decode reads what encode wrote for a node.
func decode(id string, content []byte) (map[string]*collection, error) {
	body, ok := bytes.CutPrefix(content, []byte(format))
	if !ok {
		return nil, errors.New("not a copy of a configuration, or one of another version")
	}
	if len(body) < sha256.Size {
		return nil, fmt.Errorf("%w: it is cut off", errDamaged)
	}
	sum, body := body[:sha256.Size], body[sha256.Size:]
	if actual := sha256.Sum256(body); !bytes.Equal(sum, actual[:]) {
		return nil, fmt.Errorf("%w: its checksum does not match", errDamaged)
	}
	from := bytes.NewReader(body)
	limit := protodelim.UnmarshalOptions{MaxSize: maxCopy}
	var node discoveryv3.DeltaDiscoveryRequest
	if err := limit.UnmarshalFrom(from, &node); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if got := node.GetNode().GetId(); got != id {
		return nil, fmt.Errorf("it belongs to node %q", got)
	}
	types := map[string]*collection{}
	for {
		var m discoveryv3.DeltaDiscoveryResponse
		err := limit.UnmarshalFrom(from, &m)
		if errors.Is(err, io.EOF) {
			return types, nil
		}
		if err == nil {
			types[m.GetTypeUrl()], err = restored(&m)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
}

// restored is the collection that message wrote.
func restored(m *discoveryv3.DeltaDiscoveryResponse) (*collection, error) {
	c := newCollection(m.GetTypeUrl())
	u := &client.Update{Type: m.GetTypeUrl()}
	for _, r := range m.GetResources() {
		u.Resources = append(u.Resources, client.Resource{
			Name: r.GetName(), Version: r.GetVersion(), Body: r.GetResource(), TTL: r.GetTtl().AsDuration(), Aliases: r.GetAliases(),
		})
	}
	if _, err := c.apply(u); err != nil {
		return nil, err
	}
	for _, o := range c.pending.offers {
		c.accept(o)
	}
	c.pending = nil
	c.complete = m.GetSystemVersionInfo() == complete
	return c, nil
}
