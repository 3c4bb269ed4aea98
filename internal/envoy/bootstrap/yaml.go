package bootstrap

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// encode writes m as YAML with Envoy's own field names, and always as the same bytes. It quotes each string, because
// Envoy reads YAML 1.1, and each key that is not a string in YAML 1.1.
func encode(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil { // JSON is YAML, and keeps its quotes in the nodes
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	unfold(&document)
	out, err := yaml.Dump(&document, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	return out, nil
}

// unfold writes JSON objects as YAML blocks, except those that are empty.
func unfold(n *yaml.Node) {
	if len(n.Content) > 0 {
		n.Style = 0
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && plain(child.Value) {
			child.Style = 0
		}
		unfold(child)
	}
}

// plain reports whether key needs no quotes: it looks like a field's name, and is no boolean or null in YAML 1.1.
func plain(key string) bool {
	switch strings.ToLower(key) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	for i, r := range key {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return key != ""
}
