package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

// member is one field of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// readBody decodes the object in the body of a call. If it cannot, it answers the call with an error and returns
// false.
func readBody(w http.ResponseWriter, r *http.Request) ([]member, bool) {
	body, ok := httpapi.Body(w, r)
	if !ok {
		return nil, false
	}
	members, err := readObject(body)
	if err != nil {
		httpapi.Refuse(w, []httpapi.Problem{{Field: "body", Error: err.Error(), Expected: "one JSON object; {} takes every default"}})
		return nil, false
	}
	return members, true
}

// readObject decodes text as one JSON object. Unlike encoding/json, it refuses invalid UTF-8, duplicate names, and
// anything after the object.
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
		m := member{name: name.(string)} // in an object a name comes first
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

// at returns where in text the decoder found err.
func at(text []byte, decoder *json.Decoder, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	before := text[:min(int(decoder.InputOffset()), len(text))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("%w, after line %d, column %d", err, line, column)
}

// describe returns a JSON value with its kind: `a string: "heavy"`.
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

// unknown returns the problem of a name that is not in known, with the nearest name.
func unknown(field, name string, known []string) httpapi.Problem {
	p := httpapi.Problem{Field: field, Error: "there is no such field", Expected: "one of " + strings.Join(known, ", ")}
	if len(known) == 0 {
		p.Expected = "nothing"
	}
	p.Hint = suggest.DidYouMean(name, known)
	return p
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
