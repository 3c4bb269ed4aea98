package yamldoc

import (
	"strings"
	"time"
)

// Duration is a time span in the form of time.ParseDuration: 250ms, 3s, 10m.
type Duration time.Duration

// String is the shortest form that ParseDuration reads: 1m, not 1m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String, so that the JSON form of a document reads like its YAML.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
