package client

import (
	"context"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// stream is one open stream, in either protocol.
type stream interface {
	// ready reports whether a request for s may be sent now.
	ready(s *subscription) bool
	// request takes from s what is to be said next and returns a call that sends it. The node goes
	// only with the first request of a stream (C006).
	request(s *subscription, node *corev3.Node) (send func() error)
	// accepted returns when the server has accepted the stream, or why it has ended.
	accepted() error
	receive() (*Update, error)
}

// received is an update, or the reason why there will be no more, or neither: the stream is accepted.
type received struct {
	update *Update
	err    error
}

// serve opens a stream and speaks on it until it ends. It calls responded once, at the first
// response: a stream that was closed before that counts as a failure (gRPC proposal A57).
func (c *Client) serve(ctx context.Context, responded func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened, err := c.open(ctx)
	if err != nil {
		return err
	}
	id := c.restart()
	incoming := make(chan received)
	go receiveAll(ctx, opened, incoming)
	defer func() {
		cancel()
		for range incoming { // until the receiver has ended
		}
	}()
	node := c.options.Node
	if err := c.speak(opened, &node); err != nil {
		return err
	}
	for first := true; ; {
		select {
		case <-c.wake:
		case in, ok := <-incoming:
			if !ok {
				return ctx.Err()
			}
			if in.err != nil {
				return in.err
			}
			if in.update == nil {
				c.connection(nil)
				continue
			}
			if first {
				first = false
				responded()
			}
			c.take(id, in.update)
		}
		if err := c.speak(opened, &node); err != nil {
			return err
		}
	}
}

func (c *Client) open(ctx context.Context) (stream, error) {
	if c.options.Protocol == SotW {
		return openSotW(ctx, c.conn, c.options.Name)
	}
	return openDelta(ctx, c.conn)
}

// receiveAll passes on all that comes until the stream or ctx ends, and closes to.
func receiveAll(ctx context.Context, from stream, to chan<- received) {
	defer close(to)
	err := from.accepted()
	for u := (*Update)(nil); ; u, err = from.receive() {
		select {
		case to <- received{u, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// restart makes all subscriptions due again, and returns the number of the new stream.
func (c *Client) restart() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	for _, s := range c.order {
		s.restart()
	}
	return c.opened
}

// speak sends all requests that are due. It takes the node away once that was sent.
func (c *Client) speak(to stream, node **corev3.Node) error {
	for {
		send := c.next(to, *node)
		if send == nil {
			return nil
		}
		if err := send(); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		*node = nil
	}
}

func (c *Client) next(to stream, node *corev3.Node) (send func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.order {
		if s.due() && to.ready(s) {
			return to.request(s, node)
		}
	}
	return nil
}

// take hands an update of stream id to the user.
func (c *Client) take(id int, u *Update) {
	c.mu.Lock()
	s := c.subscription(u.Type)
	s.nonce, s.pending = u.nonce, true
	c.mu.Unlock()
	answered := false
	u.answer = func(reason error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if answered {
			return
		}
		answered = true
		if reason == nil {
			s.accept(u)
		}
		if id == c.opened {
			s.answered(answer{u, reason})
			c.notify()
		}
	}
	c.options.Handle(u)
}
