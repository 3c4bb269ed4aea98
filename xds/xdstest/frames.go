package xdstest

import (
	"bytes"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// direction is the bytes that one side sends.
type direction struct {
	wire    *wire
	preface int // bytes yet to come before the first frame
	buffer  bytes.Buffer
	framer  *http2.Framer
	headers *hpack.Decoder
	fields  []hpack.HeaderField
	ends    bool // the header block that is being read ends the call
}

func newDirection(w *wire, preface int) *direction {
	d := &direction{wire: w, preface: preface}
	d.framer = http2.NewFramer(nil, &d.buffer)
	d.framer.SetMaxReadFrameSize(1<<24 - 1)
	d.headers = hpack.NewDecoder(4096, func(f hpack.HeaderField) { d.fields = append(d.fields, f) })
	d.headers.SetAllowedMaxDynamicTableSize(1 << 20)
	return d
}

func (d *direction) feed(b []byte) error {
	skip := min(d.preface, len(b))
	d.preface -= skip
	d.buffer.Write(b[skip:])
	const header = 9 // bytes before a frame's payload, the first three its length (RFC 9113, section 4.1)
	for d.buffer.Len() >= header {
		h := d.buffer.Bytes()
		if d.buffer.Len() < header+(int(h[0])<<16|int(h[1])<<8|int(h[2])) {
			return nil
		}
		frame, err := d.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := d.frame(frame); err != nil {
			return err
		}
	}
	return nil
}

func (d *direction) frame(frame http2.Frame) error {
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		d.ends = f.StreamEnded()
		return d.block(id, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.ContinuationFrame:
		return d.block(id, f.HeaderBlockFragment(), f.HeadersEnded())
	case *http2.RSTStreamFrame:
		d.wire.endCall(id)
	case *http2.DataFrame:
		if err := d.data(id, f.Data()); err != nil {
			return err
		}
		if f.StreamEnded() && d == d.wire.server {
			d.wire.endCall(id)
		}
	}
	return nil
}

func (d *direction) block(id uint32, fragment []byte, last bool) error {
	if _, err := d.headers.Write(fragment); err != nil || !last {
		return err
	}
	if err := d.headers.Close(); err != nil {
		return err
	}
	fields := d.fields
	d.fields = nil
	if d == d.wire.client && d.wire.calls[id] == nil {
		d.wire.calls[id] = newCall(fields)
	}
	if d.ends && d == d.wire.server {
		d.wire.endCall(id)
	}
	return nil
}

func (d *direction) data(id uint32, b []byte) error {
	c := d.wire.calls[id]
	if c == nil || c.decode == nil {
		return nil
	}
	part := &c.response
	if d == d.wire.client {
		part = &c.request
	}
	part.Write(b)
	for {
		body, err := nextMessage(part)
		if body == nil || err != nil {
			return err
		}
		if err := d.wire.message(id, c, d == d.wire.client, body); err != nil {
			return err
		}
	}
}
