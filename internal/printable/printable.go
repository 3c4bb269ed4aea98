// Package printable makes text from outside safe to show to a person: in a terminal, in a log, in a file that
// a terminal shows.
//
// Node IDs, tags, host names, messages of proxies and values in documents are written by others. Printed as
// they are, escape sequences (ECMA-48) move the cursor and hide text, a line break forges a row, and Unicode
// direction marks reorder what is read. The package's one invariant: what it returns is valid UTF-8 on one
// line that a terminal shows from left to right, character by character.
package printable

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s with every character that is not printable written as a Go escape, such as \n, \x1b or
// \u202e. Printable text is returned as it is.
func Text(s string) string {
	if Is(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Columns returns s with every character that is not printable replaced by U+FFFD, tabs excepted, so that the
// columns of the text stay where they are.
func Columns(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// JSON returns encoded JSON of the same meaning in which no string holds a character that is not printable.
// encoding/json leaves U+007F and above as they are, but terminals also act on U+0080-U+009F.
func JSON(encoded []byte) []byte {
	if Is(string(bytes.ReplaceAll(encoded, []byte("\n"), nil))) {
		return encoded
	}
	var b bytes.Buffer
	for _, r := range string(encoded) {
		switch {
		case r < ' ', unicode.IsPrint(r): // below ' ' there is only white space between values
			b.WriteRune(r)
		case r > 0xffff:
			const first, half = 0x10000, 10
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-first)>>half, 0xdc00+(r-first)&(1<<half-1))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// Is reports whether s can be shown as it is: Text would not change it.
func Is(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
