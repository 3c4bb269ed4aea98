package main

import (
	"encoding/json"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// rawAny is the JSON form of an Any whose content cannot be written as JSON, because its type is not known here or
// its bytes are not of that type. It has the bytes in base64.
type rawAny struct {
	Type  string  `json:"@type"`
	Value *[]byte `json:"value"`
}

// decodeJSON decodes the proto-JSON of a DiscoveryResponse. It decodes resources one by one, because one may be a
// rawAny, which proto-JSON does not have.
func decodeJSON(body []byte) ([]*anypb.Any, error) {
	if len(body) == 0 {
		return nil, nil
	}
	raw, err := cut(body, "resources", &discoveryv3.DiscoveryResponse{})
	if err != nil || raw == nil {
		return nil, err
	}
	var resources []json.RawMessage
	if err := json.Unmarshal(raw, &resources); err != nil {
		return nil, err
	}
	anys := make([]*anypb.Any, len(resources))
	for i, resource := range resources {
		if anys[i], err = decodeAny(resource); err != nil {
			return nil, err
		}
	}
	return anys, nil
}

func decodeAny(text json.RawMessage) (*anypb.Any, error) {
	var raw struct {
		Type string `json:"@type"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if isWrapper(raw.Type) {
		return decodeWrapper(text)
	}
	decoded := new(anypb.Any)
	err := protojson.Unmarshal(text, decoded)
	if err == nil {
		return decoded, nil
	}
	var bytes rawAny
	strict := json.NewDecoder(strings.NewReader(string(text)))
	strict.DisallowUnknownFields()
	if strict.Decode(&bytes) == nil && bytes.Value != nil {
		return &anypb.Any{TypeUrl: bytes.Type, Value: *bytes.Value}, nil
	}
	return nil, err
}

func decodeWrapper(text json.RawMessage) (*anypb.Any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	delete(fields, "@type")
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	var wrapper discoveryv3.Resource
	inner, err := cut(text, "resource", &wrapper)
	if err != nil {
		return nil, err
	}
	if inner != nil {
		if wrapper.Resource, err = decodeAny(inner); err != nil {
			return nil, err
		}
	}
	return anypb.New(&wrapper)
}

// cut returns the named field of an object and decodes the others into rest.
func cut(object []byte, field string, rest proto.Message) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	value := fields[field]
	delete(fields, field)
	others, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	if string(value) == "null" {
		value = nil
	}
	return value, protojson.Unmarshal(others, rest)
}

func encodeJSON(anys []*anypb.Any) ([]byte, error) {
	resources := make([]json.RawMessage, len(anys))
	for i, a := range anys {
		text, err := encodeAny(a)
		if err != nil {
			return nil, err
		}
		resources[i] = text
	}
	return json.Marshal(struct {
		Resources []json.RawMessage `json:"resources,omitempty"`
	}{resources})
}

func encodeAny(a *anypb.Any) (json.RawMessage, error) {
	if text, err := protojson.Marshal(a); err == nil {
		return text, nil
	}
	var wrapper discoveryv3.Resource
	if !isWrapper(a.GetTypeUrl()) || a.UnmarshalTo(&wrapper) != nil {
		return json.Marshal(rawAny{a.GetTypeUrl(), &a.Value})
	}
	inner, err := encodeAny(wrapper.GetResource())
	if err != nil {
		return nil, err
	}
	wrapper.Resource = nil
	text, err := protojson.Marshal(&wrapper)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	fields["resource"] = inner
	fields["@type"], err = json.Marshal(a.GetTypeUrl())
	if err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
