package fleet

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
)

// connections are those of one fleet, each with a goroutine of its own.
type connections struct {
	buffer  int // bytes of the buffers of each connection; 0 for bufferSize
	list    []*connection
	running sync.WaitGroup
	closing atomic.Bool
	failed  atomic.Pointer[error]
}

// open connects the callers, perConnection on each connection, and serves them.
func (c *connections) open(address string, callers []caller, perConnection int) error {
	opened := len(c.list)
	for first := 0; first < len(callers); first += perConnection {
		conn, err := dial(address, callers[first:min(first+perConnection, len(callers))], cmp.Or(c.buffer, bufferSize))
		if err != nil {
			c.Close()
			return err
		}
		c.list = append(c.list, conn)
	}
	for _, conn := range c.list[opened:] {
		c.running.Go(func() { c.serve(conn) })
	}
	return nil
}

func (c *connections) serve(conn *connection) {
	err := conn.run()
	if !c.closing.Load() {
		c.failed.CompareAndSwap(nil, &err)
	}
}

// err is the first error of a connection.
func (c *connections) err() error {
	if err := c.failed.Load(); err != nil {
		return fmt.Errorf("connection: %w", *err)
	}
	return nil
}

// Close ends all streams and waits until nothing runs any more.
func (c *connections) Close() {
	c.closing.Store(true)
	for _, conn := range c.list {
		_ = conn.socket.Close() // what was sent is of no interest any more
	}
	c.running.Wait()
}

// Bytes is what all clients together have received in gRPC messages.
func (c *connections) Bytes() int64 {
	var total int64
	for _, conn := range c.list {
		total += conn.bytes.Load()
	}
	return total
}
