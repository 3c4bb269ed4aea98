package fleet

import (
	"fmt"
	"slices"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestMessagesAreFoundHoweverTheyAreCut(t *testing.T) {
	first := encode(t, &discoveryv3.DeltaDiscoveryResponse{
		SystemVersionInfo: "7",
		Resources: []*discoveryv3.Resource{
			{Name: "a", Version: "1", Resource: &anypb.Any{TypeUrl: "t", Value: []byte("body of a")}},
			{Name: "b", Version: "2", Resource: &anypb.Any{TypeUrl: "t", Value: []byte("body of b")}},
		},
		TypeUrl: "t", Nonce: "n1", RemovedResources: []string{"c"},
	})
	second := encode(t, &discoveryv3.DeltaDiscoveryResponse{TypeUrl: "t", Nonce: "n2"})
	wire := append(appendMessage(nil, first), appendMessage(nil, second)...)
	want := []string{"version 7", "a 1 t body of a", "b 2 t body of b", "type t", "nonce n1", "removed c", "end", "type t", "nonce n2", "end"}

	for cut := 1; cut <= len(wire); cut++ {
		var got []string
		field := func(number protowire.Number, value []byte) error {
			got = append(got, describe(t, number, value))
			return nil
		}
		end := func() error { got = append(got, "end"); return nil }
		var s scanner
		for part := range slices.Chunk(wire, cut) {
			if err := s.scan(part, field, end); err != nil {
				t.Fatalf("in parts of %d: %v", cut, err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("in parts of %d: %q, want %q", cut, got, want)
		}
	}
}

func describe(t *testing.T, number protowire.Number, value []byte) string {
	switch f := Delta.fields(); number {
	case f.resources:
		r, err := scanDelta(value)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s %s %s", r.name, r.version, r.typeURL, r.body)
	case f.responseTypeURL:
		return "type " + string(value)
	case f.responseNonce:
		return "nonce " + string(value)
	case f.removed:
		return "removed " + string(value)
	}
	return "version " + string(value)
}

func TestBrokenMessagesAreErrors(t *testing.T) {
	for name, wire := range map[string][]byte{
		"compressed":      {1, 0, 0, 0, 0},
		"ends in a field": appendMessage(nil, []byte{0x12, 5, 'a'}),
		"no such tag":     appendMessage(nil, []byte{0x07}),
	} {
		var s scanner
		nothing := func(protowire.Number, []byte) error { return nil }
		if err := s.scan(wire, nothing, func() error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRequestsAreWhatTheProtocolSays(t *testing.T) {
	delta := new(discoveryv3.DeltaDiscoveryRequest)
	decode(t, appendMessage(nil, Delta.node(7), Delta.typeURL("t"), appendField(nil, Delta.fields().names, []byte("a")),
		appendField(nil, Delta.fields().nonce, []byte("n"))), delta)
	if delta.Node.GetId() != "client-00007" || delta.TypeUrl != "t" || delta.ResponseNonce != "n" || !slices.Equal(delta.ResourceNamesSubscribe, []string{"a"}) {
		t.Errorf("delta: %v", delta)
	}
	sotw := new(discoveryv3.DiscoveryRequest)
	decode(t, appendMessage(nil, SotW.node(7), SotW.typeURL("t"), appendField(nil, SotW.fields().names, []byte("a")),
		appendField(nil, SotW.fields().nonce, []byte("n")), appendField(nil, SotW.fields().version, []byte("v"))), sotw)
	if sotw.Node.GetId() != "client-00007" || sotw.TypeUrl != "t" || sotw.ResponseNonce != "n" || sotw.VersionInfo != "v" || !slices.Equal(sotw.ResourceNames, []string{"a"}) {
		t.Errorf("sotw: %v", sotw)
	}
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	body, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func decode(t *testing.T, message []byte, into proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(message[prefixLength:], into); err != nil {
		t.Fatal(err)
	}
}
