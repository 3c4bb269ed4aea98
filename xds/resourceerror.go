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

// unreported returns the names that do not exist and of which the client is to be told so
// with d (C109): in delta those that are in d as removed, in state-of-the-world those it was
// not told of yet.
func (p *place) unreported(d *difference) []string {
	if !p.session.rules.errors {
		return nil
	}
	var missing []string
	if p.session.delta {
		for _, ch := range d.changes {
			if ch.new == nil && p.named(ch.name) {
				missing = append(missing, ch.name)
			}
		}
		return missing
	}
	for _, name := range p.asked {
		if p.want.find(name) == nil && !p.want.isUndecided(name) {
			missing = append(missing, name)
		}
	}
	fresh := without(missing, p.reported)
	p.reported = missing
	return fresh
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
