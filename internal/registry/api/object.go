package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody is the size of the largest body that is read, in bytes: several times what an
// instance within the registry's bounds needs.
const maxBody = 64 << 10

// member is one field of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// readBody reads the object in the body of a call. When it cannot, it has answered.
func readBody(w http.ResponseWriter, r *http.Request) ([]member, bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		answer(w, http.StatusUnsupportedMediaType, Error{
			Error: fmt.Sprintf("content type %.80q is not application/json", r.Header.Get("Content-Type")),
			Hint:  "curl: add -H 'Content-Type: application/json'",
		})
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		answer(w, http.StatusRequestEntityTooLarge, Error{Error: fmt.Sprintf("the body has more than %d bytes", maxBody)})
		return nil, false
	}
	if err != nil {
		refuseCall(w, []Problem{{Field: "body", Error: err.Error(), Expected: "a whole body"}})
		return nil, false
	}
	members, err := readObject(body)
	if err != nil {
		refuseCall(w, []Problem{{Field: "body", Error: err.Error(), Expected: "one JSON object; {} takes every default"}})
		return nil, false
	}
	return members, true
}

// readObject reads text as one JSON object. Unlike encoding/json it takes neither invalid
// UTF-8 nor a name twice nor anything after the object.
func readObject(text []byte) ([]member, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil {
		return nil, at(text, decoder, err)
	} else if start != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var members []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, at(text, decoder, err)
		}
		m := member{name: name.(string)} // in an object a name stands first
		if slices.ContainsFunc(members, func(o member) bool { return o.name == m.name }) {
			return nil, fmt.Errorf("%.80q is there twice", m.name)
		}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, at(text, decoder, err)
		}
		members = append(members, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, at(text, decoder, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return members, nil
}

// at says where in text the decoder found err.
func at(text []byte, decoder *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	before := text[:min(int(decoder.InputOffset()), len(text))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("%w, after line %d, column %d", err, line, column)
}

// describe names a JSON value and its kind: `a string: "heavy"`.
func describe(value json.RawMessage) string {
	kind := "a number"
	switch value[0] {
	case '"':
		kind = "a string"
	case '{':
		kind = "an object"
	case '[':
		kind = "a list"
	case 't', 'f':
		kind = "a boolean"
	case 'n':
		return "null"
	}
	return fmt.Sprintf("%s: %.60s", kind, value)
}

// unknown is the problem of a name that is none of known, with the nearest of them.
func unknown(field, name string, known []string) Problem {
	p := Problem{Field: field, Error: "there is no such field", Expected: "one of " + strings.Join(known, ", ")}
	if len(known) == 0 {
		p.Expected = "nothing"
	}
	for _, k := range known {
		if near(strings.ToLower(name), k) {
			p.Hint = fmt.Sprintf("did you mean %s?", k)
		}
	}
	return p
}

// near reports whether a is b but for one letter too many, one too few, another one, or
// two swapped.
func near(a, b string) bool {
	start := 0
	for start < min(len(a), len(b)) && a[start] == b[start] {
		start++
	}
	a, b = a[start:], b[start:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	swapped := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return len(a) <= 1 && len(b) <= 1 || swapped
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
