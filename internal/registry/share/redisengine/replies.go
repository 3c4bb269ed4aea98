package redisengine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Bounds of what a reply may announce (RESP2 and RESP3, https://redis.io/docs/latest/develop/reference/protocol-spec).
// The client library makes room for what is announced before any of it has come, so a broken or hostile server could
// otherwise end this process with a few bytes.
const (
	maxReplyLine     = 64 << 10
	maxReplyString   = 64 << 20
	maxReplyElements = 1 << 22 // in all arrays that are open
	maxReplyDepth    = 16      // of arrays within arrays
)

// dial connects to a node. Once a reply is out of bounds, nothing more is read from the connection.
func dial(secure *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var conn net.Conn
		var err error
		if secure == nil {
			conn, err = plain.DialContext(ctx, network, address)
		} else {
			conn, err = (&tls.Dialer{NetDialer: plain, Config: secure}).DialContext(ctx, network, address)
		}
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn}, nil
	}
}

// boundedConn is a connection whose replies are checked before anybody else reads them.
type boundedConn struct {
	net.Conn
	replies replies
	bad     error // which bound was exceeded
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	n, err := c.Conn.Read(p)
	if c.bad = c.replies.check(p[:n]); c.bad != nil {
		return 0, c.bad
	}
	return n, err
}

// replies follows the replies on one connection, however they are cut into pieces.
type replies struct {
	line []byte // a header whose end has not come
	rest int    // bytes of a string, and of the line end behind it, that have not come
	open []int  // elements that have not come, of each array that is open, outermost first
	sum  int    // of open
}

// check follows what has been read next. Its errors say which bound a reply exceeds.
func (r *replies) check(p []byte) error {
	for len(p) > 0 {
		if r.rest > 0 {
			n := min(r.rest, len(p))
			p, r.rest = p[n:], r.rest-n
			if r.rest == 0 {
				r.complete()
			}
			continue
		}
		end := bytes.IndexByte(p, '\n') + 1
		part := p[:end]
		if end == 0 {
			part = p
		}
		if len(r.line)+len(part) > maxReplyLine {
			return fmt.Errorf("the store sends a line of more than %d bytes", maxReplyLine)
		}
		r.line, p = append(r.line, part...), p[len(part):]
		if end == 0 {
			return nil
		}
		header := bytes.TrimRight(r.line, "\r\n")
		r.line = r.line[:0]
		if err := r.begin(header); err != nil {
			return err
		}
	}
	return nil
}

// begin follows a header: a type and, for strings and arrays, a length.
func (r *replies) begin(header []byte) error {
	if len(header) == 0 {
		return errors.New("the store sends an empty line")
	}
	each := 1 // elements for one that is counted
	switch header[0] {
	case '$', '=', '!':
		n, err := length(header, maxReplyString)
		if err != nil {
			return err
		}
		if n < 0 {
			r.complete()
			return nil
		}
		r.rest = n + len("\r\n")
		return nil
	case '%':
		each = 2
	case '*', '~', '>':
	case '+', '-', ':', ',', '#', '_', '(':
		r.complete()
		return nil
	default:
		return fmt.Errorf("the store sends %.40q, which begins no reply", header)
	}
	n, err := length(header, (maxReplyElements-r.sum)/each)
	switch {
	case err != nil:
		return err
	case n <= 0:
		r.complete()
		return nil
	case len(r.open) == maxReplyDepth:
		return fmt.Errorf("the store nests arrays more than %d deep", maxReplyDepth)
	}
	r.open, r.sum = append(r.open, n*each), r.sum+n*each
	return nil
}

// complete follows the end of an element, and of the arrays that end with it.
func (r *replies) complete() {
	for last := len(r.open) - 1; last >= 0; last-- {
		r.open[last]--
		r.sum--
		if r.open[last] > 0 {
			return
		}
		r.open = r.open[:last]
	}
}

// length reads the number in a header; -1 is null.
func length(header []byte, most int) (int, error) {
	n, err := strconv.Atoi(string(header[1:]))
	if err != nil || n < -1 || n > most {
		return 0, fmt.Errorf("the store announces %.40q, want a length of at most %d", header, most)
	}
	return n, nil
}
