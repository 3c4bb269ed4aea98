package xds

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of envoy.service.discovery.v3.ResourceError and what is in it.
const (
	fieldErrorName   = 1
	fieldErrorDetail = 2
	fieldStatusCode  = 1
	fieldStatusText  = 2
)

// errorSize is at least what the resource error of a name takes in a response, in bytes.
func errorSize(name string) int { return len(name) + 64 }

// minErrors is how many bytes of resource errors a response may have however large the rest of it is.
const minErrors = 64 << 10

// unreported returns the names that do not exist and of which the client is to be told so
// with d (C109): in delta those that are in d as removed, in state-of-the-world those it was
// not told of yet, as many as there is room for beside result. The rest is told after the ACK.
func (w *watch) unreported(d *difference, result *content) []string {
	if !w.session.rules.errors {
		return nil
	}
	var missing []string
	if w.session.delta {
		for _, ch := range d.changes {
			if ch.new == nil && w.named(ch.name) {
				missing = append(missing, ch.name)
			}
		}
		return missing
	}
	for _, name := range w.asked {
		if w.want.find(name) == nil && !w.want.isUndecided(name) {
			missing = append(missing, name)
		}
	}
	fresh := without(missing, w.reported)
	if len(fresh) == 0 {
		w.reported = missing
		return nil
	}
	told := fresh[:w.room(fresh, d, result)]
	w.reported = without(missing, fresh[len(told):])
	return told
}

// room returns how many of the names' errors fit into a state-of-the-world response, at least one.
func (w *watch) room(names []string, d *difference, result *content) int {
	size := d.size
	if w.sendsWhole() {
		size = 0
		for r := range result.all() {
			size += len(r.wire) + resourceOverhead
		}
	}
	left := max(maxResponse-size, minErrors)
	for i, name := range names {
		if left -= errorSize(name); left < 0 && i > 0 {
			return i
		}
	}
	return len(names)
}

// appendErrors appends the field resource_errors for each of the names.
func appendErrors(b []byte, names []string, delta bool) []byte {
	number := protowire.Number(fieldSotWErrors)
	if delta {
		number = fieldDeltaErrors
	}
	for _, name := range names {
		status := protowire.AppendVarint(protowire.AppendTag(nil, fieldStatusCode, protowire.VarintType), uint64(codes.NotFound))
		status = appendStringField(status, fieldStatusText, "resource does not exist")
		message := appendMessage(nil, fieldErrorName, appendStringField(nil, 1, name))
		message = appendMessage(message, fieldErrorDetail, status)
		b = appendMessage(b, number, message)
	}
	return b
}
