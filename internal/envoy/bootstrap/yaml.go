package bootstrap

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// encode writes m as YAML with Envoy's own field names, always in the same bytes. Each string is quoted, because
// Envoy reads YAML 1.1; so is each key that YAML 1.1 does not take as a string.
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

// unfold turns the braces of JSON into lines, but for those with nothing between them.
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

// plain reports whether key needs no quotes: it looks like a field's name, and is no word by which YAML 1.1
// means a truth value or nothing.
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
