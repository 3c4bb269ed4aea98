package xds

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// Bounds of what a request may contain besides the number of its names.
const (
	maxTypeURL = 1 << 10   // bytes
	maxName    = 8 << 10   // bytes of a resource's name
	maxMessage = 16 << 10  // bytes of the message of a NACK; more is cut off
	maxNode    = 512 << 10 // bytes of the node, which is kept; Envoy lists all its extensions there
)

var errNotText = errors.New("malformed discovery request: a string is not valid UTF-8")

// check returns why the request must be refused. Everything that a response may repeat has to be
// valid UTF-8, or clients could not decode the response.
func (r *request) check() error {
	if r.malformed != nil {
		return r.malformed
	}
	if r.node != nil {
		if size := proto.Size(r.node); size > maxNode {
			return fmt.Errorf("node has %d bytes, more than the %d it may have", size, maxNode)
		}
	}
	if len(r.typeURL) > maxTypeURL {
		return fmt.Errorf("type URL has %d bytes, more than the %d it may have", len(r.typeURL), maxTypeURL)
	}
	if !utf8.ValidString(r.typeURL) || !utf8.ValidString(r.nonce) || !utf8.ValidString(r.version) {
		return errNotText
	}
	for _, names := range [][]string{r.names, r.drop} {
		for _, name := range names {
			if err := checkName(name); err != nil {
				return err
			}
		}
	}
	for name, version := range r.initial {
		if err := checkName(name); err != nil {
			return err
		}
		if !utf8.ValidString(version) {
			return errNotText
		}
	}
	return nil
}

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("resource name has %d bytes, more than the %d it may have", len(name), maxName)
	}
	if !utf8.ValidString(name) {
		return errNotText
	}
	return nil
}

// shortened returns the message of a NACK as it is kept. Envoy may quote bytes in it that are not text,
// so they are replaced: the operator should see the NACK.
func shortened(message []byte) string {
	return strings.ToValidUTF8(string(message[:min(len(message), maxMessage)]), "\uFFFD")
}
