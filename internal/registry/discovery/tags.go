package discovery

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// weightTag is the tag with a host's weight, 1-100.
const weightTag = "load_balancing_weight"

const (
	maxWeight = 100
	// weightUnit is the registry's weight of a host with the weight 1, so that the largest one fits. A host without a
	// weight has the registry's default, as instances with an agent have, so that a service can have both.
	weightUnit = registry.MaxWeight / maxWeight
)

// parseTags returns the tags in a form, a JSON object. Values other than strings are kept as their JSON text.
func parseTags(text string) (map[string]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("tags: %w: want a JSON object with az, region and instance_id", err)
	}
	tags := make(map[string]string, len(values)+3)
	for name, value := range values {
		if strings.HasPrefix(name, "doyen/") || strings.HasPrefix(name, "discovery/") {
			return nil, fmt.Errorf("tags: %.80q begins with doyen/ or discovery/, which only the server sets", name)
		}
		var s string
		if json.Unmarshal(value, &s) != nil || string(value) == "null" {
			s = string(value)
		}
		tags[name] = s
	}
	if weight, found := tags[weightTag]; found {
		if _, err := parseWeight(weight); err != nil {
			return nil, fmt.Errorf("tags: %w", err)
		}
	}
	return tags, nil
}

// parseWeight parses a host's weight.
func parseWeight(text string) (int, error) {
	weight, err := strconv.Atoi(text)
	if err != nil || weight < 1 || weight > maxWeight {
		return 0, fmt.Errorf("%s: %.20q is none: want 1-%d", weightTag, text, maxWeight)
	}
	return weight, nil
}

// weightOf returns the registry's weight of a host; 0, its default, for a host without a weight.
func weightOf(tags map[string]string) uint32 {
	weight, err := parseWeight(tags[weightTag])
	if err != nil {
		return 0
	}
	return uint32(weight * weightUnit)
}

// zoneOf returns the zone in tags, with its region; "" if those are no names of zones.
func zoneOf(tags map[string]string) mesh.ZoneName {
	for _, text := range []string{tags["region"] + "/" + tags["az"], tags["az"]} {
		if zone, err := mesh.ParseZoneName(text); err == nil {
			return zone
		}
	}
	return ""
}
