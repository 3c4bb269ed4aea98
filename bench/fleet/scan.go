package fleet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// scanner finds messages and their top-level fields in the DATA frames of one stream. It keeps no
// more of a message than a field that has not come completely.
type scanner struct {
	prefix  [prefixLength]byte
	have    int    // bytes of prefix that are here
	missing int    // bytes of the message that are not here, once the prefix is
	rest    []byte // the beginning of a field whose end is not here
}

// scan calls field for each complete field of bytes and end at the end of each message. The value
// given to field is valid until it returns.
func (s *scanner) scan(data []byte, field func(protowire.Number, []byte) error, end func() error) error {
	for len(data) > 0 {
		if s.have < prefixLength {
			n := copy(s.prefix[s.have:], data)
			s.have, data = s.have+n, data[n:]
			if s.have < prefixLength {
				return nil
			}
			if s.prefix[0] != 0 {
				return errors.New("compressed message")
			}
			s.missing = int(binary.BigEndian.Uint32(s.prefix[1:]))
		}
		part := data[:min(len(data), s.missing)]
		data, s.missing = data[len(part):], s.missing-len(part)
		if err := s.fields(part, field); err != nil {
			return err
		}
		if s.missing > 0 {
			return nil
		}
		if len(s.rest) > 0 {
			return errors.New("message ends within a field")
		}
		s.have, s.rest = 0, nil
		if err := end(); err != nil {
			return err
		}
	}
	return nil
}

// fields walks over the fields that are complete with part and keeps what is not.
func (s *scanner) fields(part []byte, field func(protowire.Number, []byte) error) error {
	data := part
	if len(s.rest) > 0 {
		s.rest = append(s.rest, part...)
		data = s.rest
	}
	for len(data) > 0 {
		number, value, n, err := consumeField(data)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := field(number, value); err != nil {
			return err
		}
		data = data[n:]
	}
	s.rest = append(s.rest[:0], data...)
	return nil
}

// consumeField reads one field: its number, its value when it is length-delimited, and its length.
func consumeField(data []byte) (protowire.Number, []byte, int, error) {
	number, kind, tagLength := protowire.ConsumeTag(data)
	if tagLength < 0 {
		return 0, nil, 0, protowire.ParseError(tagLength)
	}
	if kind == protowire.BytesType {
		value, n := protowire.ConsumeBytes(data[tagLength:])
		return number, value, tagLength + n, lengthError(n)
	}
	n := protowire.ConsumeFieldValue(number, kind, data[tagLength:])
	return number, nil, tagLength + n, lengthError(n)
}

func lengthError(n int) error {
	if n < 0 {
		return protowire.ParseError(n)
	}
	return nil
}

// resource is one resource of a response, in the response's own bytes.
type resource struct{ typeURL, name, version, body []byte }

// scanDelta reads a Resource of the incremental variant.
func scanDelta(data []byte) (resource, error) {
	var r resource
	for len(data) > 0 {
		number, value, n, err := consumeField(data)
		if err != nil {
			return r, fmt.Errorf("resource: %w", err)
		}
		switch number {
		case 1:
			r.version = value
		case 2:
			if r.typeURL, r.body, err = scanAny(value); err != nil {
				return r, err
			}
		case 3:
			r.name = value
		}
		data = data[n:]
	}
	return r, nil
}

// scanSotW reads an Any; the name is the first field of both types that are served.
func scanSotW(data []byte) (r resource, err error) {
	if r.typeURL, r.body, err = scanAny(data); err != nil {
		return r, err
	}
	if _, r.name, _, err = consumeField(r.body); err != nil {
		return r, fmt.Errorf("name of a resource: %w", err)
	}
	return r, nil
}

func scanAny(data []byte) (typeURL, body []byte, err error) {
	for len(data) > 0 {
		number, value, n, err := consumeField(data)
		if err != nil {
			return nil, nil, fmt.Errorf("any: %w", err)
		}
		switch number {
		case 1:
			typeURL = value
		case 2:
			body = value
		}
		data = data[n:]
	}
	return typeURL, body, nil
}
