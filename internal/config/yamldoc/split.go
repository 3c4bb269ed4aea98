package yamldoc

import (
	"bytes"
	"strings"
)

// chunk is the text of one document of a file, and how many lines of the file stand before it.
type chunk struct {
	text   []byte
	before int
}

// split cuts a file into its documents, so that a syntax error in one leaves the others readable.
// YAML 1.2 (sections 9.1.2 and 9.1.4) forbids a line that begins with --- or ... inside of any
// document, quoted and block text included, so looking at lines is enough.
func split(text []byte) []chunk {
	var chunks []chunk
	start, before, line := 0, 0, 0
	cut := func(at int) {
		chunks = append(chunks, chunk{text[start:at], before})
		start, before = at, line
	}
	for at := 0; at < len(text); {
		end := at + len(text[at:])
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if isMarker(text[at:end], "---") && at > start {
			cut(at)
		}
		line++
		if isMarker(text[at:end], "...") {
			cut(end)
		}
		at = end
	}
	cut(len(text))
	return chunks
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// blank reports whether the chunk holds nothing but comments and white space beside its markers.
func (c chunk) blank() bool {
	for line := range bytes.Lines(c.text) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("---")))
		if len(line) > 0 && line[0] != '#' && !isMarker(line, "...") {
			return false
		}
	}
	return true
}
