package xds

import (
	"bytes"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// FuzzAnswers sends arbitrary bytes as a request, decoded by the engine's codec or by gRPC's own: whatever
// the engine answers can be encoded by both, and decoded by a client.
func FuzzAnswers(f *testing.F) {
	add := func(m proto.Message, delta bool) {
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, delta)
		f.Add(protowire.AppendString(protowire.AppendTag(wire, fieldNames, protowire.BytesType), "caf\xe9"), delta)
		f.Add(bytes.ReplaceAll(wire, []byte("text"), []byte("\xff\xfe\xfd\xfc")), delta)
	}
	node := &corev3.Node{Id: "text"}
	add(&discoveryv3.DiscoveryRequest{Node: node, TypeUrl: EndpointType, ResourceNames: []string{"a", "text"}}, false)
	add(&discoveryv3.DiscoveryRequest{TypeUrl: "text", ResponseNonce: "text", ErrorDetail: &statuspb.Status{Message: "text"}}, false)
	add(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: EndpointType, ResourceNamesSubscribe: []string{"a", "text"}}, true)
	add(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: VirtualHostType, ResourceNamesSubscribe: []string{"text/text"}}, true)
	add(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: "text", InitialResourceVersions: map[string]string{"text": "text"}}, true)
	add(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: ClusterType, ResourceNamesUnsubscribe: []string{"text"}, ResourceNamesSubscribe: []string{"*"}}, true)
	f.Fuzz(func(t *testing.T, wire []byte, delta bool) {
		for name, codec := range map[string]encoding.CodecV2{"engine's codec": Codec(), "gRPC's codec": encoding.GetCodecV2(grpcproto.Name)} {
			r := &request{delta: delta}
			if err := codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, r); err != nil {
				continue
			}
			r.adopt()
			if r.check() != nil || r.typeURL == "" {
				continue
			}
			for _, response := range answers(t, r) {
				checkAnswer(t, name, response)
			}
		}
	})
}

// answers plays a request to a server with little to serve.
func answers(t *testing.T, r *request) []*response {
	a := NewResource(r.typeURL, "a", []byte("body"), ResourceOptions{Aliases: []string{"b"}})
	cache := NewLinearCache(r.typeURL)
	cache.Put(a)
	s := &session{
		delta: r.delta, node: nodeOf(r, ""), waker: asleep{}, source: cache, group: &group{},
		rules: &rules{errors: true, orderTimeout: defaultOrderTimeout, removalGrace: defaultRemovalGrace, bodyCache: &bodyCache{}},
	}
	s.group.sessions = append(s.group.sessions, s)
	now := time.Now()
	if err := s.receive(now, r); err != nil {
		t.Fatal(err)
	}
	var all []*response
	for {
		s.group.load()
		response := s.next(now)
		if response == nil {
			return all
		}
		response.tail = tailOf(response, "server")
		all = append(all, response)
	}
}

func checkAnswer(t *testing.T, codec string, r *response) {
	t.Helper()
	var message proto.Message = &discoveryv3.DiscoveryResponse{}
	if r.delta {
		message = &discoveryv3.DeltaDiscoveryResponse{}
	}
	encoded, err := Codec().Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(encoded.Materialize(), message); err != nil {
		t.Errorf("request by %s: answer does not decode: %v", codec, err)
	}
	generated, err := proto.Marshal(r.ProtoReflect().Interface())
	if err != nil || r.broken != nil {
		t.Errorf("request by %s: gRPC's codec does not encode the answer: %v, %v", codec, err, r.broken)
	}
	if again := message.ProtoReflect().New().Interface(); proto.Unmarshal(generated, again) != nil || !proto.Equal(message, again) {
		t.Errorf("request by %s: the codecs answer differently", codec)
	}
}

// Names that clients could not decode are refused where they enter.
func TestResourceNamesAreText(t *testing.T) {
	for what, make := range map[string]func(){
		"name":     func() { NewResource(ClusterType, "caf\xe9", nil, ResourceOptions{}) },
		"type URL": func() { NewResource("caf\xe9", "a", nil, ResourceOptions{}) },
		"alias":    func() { NewResource(ClusterType, "a", nil, ResourceOptions{Aliases: []string{"caf\xe9"}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s that is not UTF-8 is taken", what)
				}
			}()
			make()
		}()
	}
}
