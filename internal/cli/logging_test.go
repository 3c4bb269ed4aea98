package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// TestLogsAreNotForged logs text from outside in both formats. Each record must be one printable line.
func TestLogsAreNotForged(t *testing.T) {
	const evil = "sidecar/x\x1b[2K\nlevel=INFO msg=ready\u009b2J\u202e\r\x00"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		l := logging{format: format}
		l.logger(Invocation{Stderr: &out}).Info("stream opened", "node", evil, evil, 1)
		line, rest, _ := strings.Cut(out.String(), "\n")
		if rest != "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q", format, out.String())
		}
		var decoded map[string]any
		if err := json.Unmarshal([]byte(line), &decoded); format == "json" && (err != nil || decoded["node"] != evil) {
			t.Errorf("json changed the value to %q: %v", decoded["node"], err)
		}
	}
}
