package fleet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"
)

// HTTP/2 numbers (RFC 9113).
const (
	defaultWindow = 65535         // section 6.9.2
	maxWindow     = math.MaxInt32 // section 6.9.1
	maxFrame      = 16384         // section 4.2
	// topUp is how much is read before the window is opened again: the server is never kept
	// waiting by flow control, as it is not by Envoy's windows on the sizes compared here.
	topUp = maxWindow / 4
	// bufferSize of each direction of a connection.
	bufferSize = 128 << 10
)

// connection is one HTTP/2 connection and the clients whose streams it carries. After dial only
// the goroutine in run touches it, but for arrivals and bytes.
type connection struct {
	socket  net.Conn
	in      *bufio.Reader
	out     *bufio.Writer
	framer  *http2.Framer
	callers []caller // stream identifiers are 1, 3, 5, ... in this order

	window        int // bytes that may be sent on the connection
	initialWindow int // bytes that may be sent on a new stream
	received      int // since the window for receiving was opened last
	waiting       []unsent

	arrivals arrivals
	bytes    atomic.Int64 // of messages received
	message  []byte       // scratch space
	fields   []byte       // scratch space
}

// caller is what has a stream: it sends and receives the messages.
type caller interface {
	channel() *stream
	begin(*connection)
	field(number protowire.Number, value []byte) error // of a message that is arriving
	end(*connection) error                             // of a message
}

// stream is one HTTP/2 stream that is one gRPC call.
type stream struct {
	path     string
	id       uint32
	window   int // bytes that may be sent
	received int // since the window for receiving was opened last
	scanner  scanner
}

func (s *stream) channel() *stream { return s }

// unsent is the rest of a message that flow control did not let through.
type unsent struct {
	stream *stream
	rest   []byte
}

func dial(address string, callers []caller, buffer int) (*connection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &connection{
		socket: socket, callers: callers,
		in: bufio.NewReaderSize(socket, buffer), out: bufio.NewWriterSize(socket, buffer),
		window: defaultWindow, initialWindow: defaultWindow,
	}
	c.framer = http2.NewFramer(c.out, c.in)
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return c, nil
}

// run opens the connection and its streams and serves them until the socket is closed.
func (c *connection) run() error {
	if err := c.open(); err != nil {
		return err
	}
	for {
		if c.in.Buffered() == 0 {
			if err := c.out.Flush(); err != nil {
				return err
			}
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.take(frame); err != nil {
			return err
		}
	}
}

func (c *connection) open() error {
	if _, err := io.WriteString(c.out, http2.ClientPreface); err != nil {
		return err
	}
	settings := http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow}
	if err := c.framer.WriteSettings(settings); err != nil {
		return err
	}
	if err := c.framer.WriteWindowUpdate(0, maxWindow-defaultWindow); err != nil {
		return err
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i, caller := range c.callers {
		stream := caller.channel()
		stream.id, stream.window = uint32(2*i+1), c.initialWindow
		block.Reset()
		for _, field := range stream.headers() {
			if err := encoder.WriteField(field); err != nil {
				return err
			}
		}
		headers := http2.HeadersFrameParam{StreamID: stream.id, BlockFragment: block.Bytes(), EndHeaders: true}
		if err := c.framer.WriteHeaders(headers); err != nil {
			return err
		}
		caller.begin(c)
	}
	return nil
}

// headers are what opens the stream as a gRPC call.
func (s *stream) headers() []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: s.path},
		{Name: ":authority", Value: "bench"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	}
}

// take handles one frame.
func (c *connection) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.DataFrame:
		return c.data(f)
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			return fmt.Errorf("the server ended a stream: %v", f.Fields)
		}
	case *http2.WindowUpdateFrame:
		return c.opened(f)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server goes away: %v %s", f.ErrCode, f.DebugData())
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server reset a stream: %v", f.ErrCode)
	}
	return nil
}

// data hands a DATA frame to its caller and opens the windows again in time.
func (c *connection) data(frame *http2.DataFrame) error {
	caller, err := c.caller(frame.StreamID)
	if err != nil {
		return err
	}
	stream := caller.channel()
	data := frame.Data()
	c.bytes.Add(int64(len(data)))
	end := func() error { return caller.end(c) }
	if err := stream.scanner.scan(data, caller.field, end); err != nil {
		return err
	}
	if frame.StreamEnded() {
		return errors.New("the server ended a stream")
	}
	length := int(frame.Length)
	if err := c.topUp(0, &c.received, length); err != nil {
		return err
	}
	return c.topUp(stream.id, &stream.received, length)
}

func (c *connection) topUp(stream uint32, received *int, length int) error {
	*received += length
	if *received < topUp {
		return nil
	}
	err := c.framer.WriteWindowUpdate(stream, uint32(*received))
	*received = 0
	return err
}

func (c *connection) caller(streamID uint32) (caller, error) {
	i := int(streamID) / 2
	if streamID%2 == 0 || i >= len(c.callers) {
		return nil, fmt.Errorf("a frame for stream %d, which was not opened", streamID)
	}
	return c.callers[i], nil
}
