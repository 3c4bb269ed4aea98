package fleet

import (
	"slices"

	"golang.org/x/net/http2"
)

// send writes a message, or as much of it as flow control lets through; the rest follows when the
// server opens the window. Messages of a connection keep their order. Errors of the socket appear
// at the next flush.
func (c *connection) send(s *stream, parts ...[]byte) {
	c.message = appendMessage(c.message[:0], parts...)
	rest := c.message
	if len(c.waiting) == 0 {
		rest = c.push(s, rest)
	}
	if len(rest) > 0 {
		c.waiting = append(c.waiting, unsent{stream: s, rest: slices.Clone(rest)})
	}
}

// push writes what flow control lets through and returns the rest.
func (c *connection) push(s *stream, message []byte) []byte {
	for len(message) > 0 {
		n := min(len(message), maxFrame, c.window, s.window)
		if n <= 0 {
			break
		}
		if c.framer.WriteData(s.id, false, message[:n]) != nil {
			return nil
		}
		c.window, s.window, message = c.window-n, s.window-n, message[n:]
	}
	return message
}

// drain sends what waited.
func (c *connection) drain() {
	for len(c.waiting) > 0 {
		first := &c.waiting[0]
		if first.rest = c.push(first.stream, first.rest); len(first.rest) > 0 {
			return
		}
		c.waiting = c.waiting[1:]
	}
	c.waiting = nil
}

// opened takes a window update.
func (c *connection) opened(frame *http2.WindowUpdateFrame) error {
	window := &c.window
	if frame.StreamID != 0 {
		caller, err := c.caller(frame.StreamID)
		if err != nil {
			return err
		}
		window = &caller.channel().window
	}
	*window += int(frame.Increment)
	c.drain()
	return nil
}

// settings takes the server's settings; a new initial window also counts for open streams
// (RFC 9113, section 6.9.2).
func (c *connection) settings(frame *http2.SettingsFrame) error {
	if frame.IsAck() {
		return nil
	}
	if window, ok := frame.Value(http2.SettingInitialWindowSize); ok {
		for _, caller := range c.callers {
			caller.channel().window += int(window) - c.initialWindow
		}
		c.initialWindow = int(window)
		c.drain()
	}
	return c.framer.WriteSettingsAck()
}
