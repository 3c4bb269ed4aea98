package xdstest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// listener hands out connections that are recorded.
type listener struct {
	net.Listener
	recorder *Recorder
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r := l.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	w := &wire{Conn: c, recorder: r, number: r.conns, calls: make(map[uint32]*call)}
	w.client = newDirection(w, len(http2.ClientPreface))
	w.server = newDirection(w, 0)
	return w, nil
}

// wire is one connection, seen from the server: what it reads is noted before it can act on it,
// what it writes is noted before it is sent.
type wire struct {
	net.Conn
	recorder *Recorder
	number   int

	// Guarded by recorder.mu.
	client, server *direction
	calls          map[uint32]*call
	broken         bool // something was unreadable: nothing after it can be read
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	w.note(w.client, b[:n])
	if err != nil {
		w.end()
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.recorder.mu.Lock()
	w.note(w.server, b)
	w.recorder.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.recorder.mu.Lock()
	w.end()
	w.recorder.mu.Unlock()
	return w.Conn.Close()
}

func (w *wire) note(d *direction, b []byte) {
	if w.broken {
		return
	}
	if err := d.feed(b); err != nil {
		w.broken = true
		w.recorder.unreadable(fmt.Errorf("connection %d: %w", w.number, err))
	}
}

func (w *wire) end() {
	for id := range w.calls {
		w.endCall(id)
	}
}

func (w *wire) endCall(id uint32) {
	if c := w.calls[id]; c != nil && c.stream != nil {
		w.recorder.close(c.stream)
	}
	delete(w.calls, id)
}

// nextMessage takes one message off the front of b, nil if it is not all there. Each has a flag that
// says whether it is compressed, and its length, before it (the gRPC over HTTP/2 protocol).
func nextMessage(b *bytes.Buffer) ([]byte, error) {
	const prefix = 5
	if b.Len() < prefix {
		return nil, nil
	}
	length := int(binary.BigEndian.Uint32(b.Bytes()[1:prefix]))
	if b.Len() < prefix+length {
		return nil, nil
	}
	compressed := b.Next(prefix)[0] == 1
	body := append(make([]byte, 0, length), b.Next(length)...)
	if !compressed {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// call is one gRPC call on a connection.
type call struct {
	method            string
	decode            func(m *Message, body []byte) error // nil: not an xDS stream
	request, response bytes.Buffer
	stream            *stream
}

func newCall(headers []hpack.HeaderField) *call {
	c := &call{}
	for _, h := range headers {
		if h.Name == ":path" {
			c.method = h.Value
		}
	}
	c.decode = decoderOf(c.method)
	return c
}

func (w *wire) message(id uint32, c *call, fromClient bool, body []byte) error {
	m := &Message{Time: time.Now(), Conn: w.number, Stream: id, Method: c.method, FromClient: fromClient}
	if err := c.decode(m, body); err != nil {
		return fmt.Errorf("%s: %w", c.method, err)
	}
	if m.Type == "" {
		m.Type = typeOf(c.method)
	}
	if c.stream == nil {
		c.stream = w.recorder.open(m)
	}
	m.Node = c.stream.node
	w.recorder.take(c.stream, m)
	return nil
}
