package client

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Protocol is one of the two variants of xDS.
type Protocol int

const (
	Delta Protocol = iota // sends what changed
	SotW                  // state of the world: sends all, or all that was asked for
)

// Options says who the client is and what it does with updates. Node and Handle are required.
type Options struct {
	Node     *corev3.Node
	Protocol Protocol

	// Handle is told each update, in order, and must not block: it may answer later.
	Handle func(*Update)

	// Known holds, by type and name, the versions of resources that the user holds from an earlier
	// life; a delta server does not send those again (C080).
	Known map[string]map[string]string

	// Name, if not nil, tells the name of a resource that a state-of-the-world server does not name
	// in its response: most do not wrap resources (C104), so the name is in the body.
	Name func(*anypb.Any) string

	// Connection, if not nil, is told nil when a server has accepted a stream, and the reason when a stream has ended
	// or could not be opened. Servers that send no header before their first response have accepted a stream with
	// that. It must not block.
	Connection func(err error)

	Logger   *slog.Logger  // nil = none
	MinRetry time.Duration // between attempts at first, each with jitter; 0 = 500 ms
	MaxRetry time.Duration // between attempts at most; 0 = 30 s
}

// Client is an xDS client of one server, or of several that its connection balances over. Its
// methods may be called at any time, from any goroutine.
type Client struct {
	options Options
	conn    grpc.ClientConnInterface
	logger  *slog.Logger
	wake    chan struct{} // has a place: something is due

	mu     sync.Mutex
	order  []*subscription // by first subscription: the order of requests on a new stream
	types  map[string]*subscription
	opened int // counts streams: an answer to an update of an earlier one is not sent
}

// New returns a client that uses conn once Run is called. Closing conn is the caller's.
func New(conn grpc.ClientConnInterface, o Options) *Client {
	c := &Client{
		options: o,
		conn:    conn,
		logger:  o.Logger,
		wake:    make(chan struct{}, 1),
		types:   make(map[string]*subscription),
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	c.options.Node = proto.Clone(o.Node).(*corev3.Node)
	if o.Protocol == SotW {
		c.options.Node.ClientFeatures = append(c.options.Node.ClientFeatures, inSotW)
	}
	for _, typeURL := range slices.Sorted(maps.Keys(o.Known)) {
		maps.Copy(c.subscription(typeURL).known, o.Known[typeURL])
	}
	return c
}

// Subscribe adds names, Wildcard among them if wanted, to what the client asks for.
func (c *Client) Subscribe(typeURL string, names ...string) {
	c.mu.Lock()
	c.subscription(typeURL).add(names)
	c.mu.Unlock()
	c.notify()
}

// Unsubscribe removes names from what the client asks for.
func (c *Client) Unsubscribe(typeURL string, names ...string) {
	c.mu.Lock()
	c.subscription(typeURL).remove(names)
	c.mu.Unlock()
	c.notify()
}

// subscription returns that of a type, making it if need be. It is called with mu held, or before
// the client is shared.
func (c *Client) subscription(typeURL string) *subscription {
	s := c.types[typeURL]
	if s == nil {
		s = newSubscription(typeURL)
		c.types[typeURL] = s
		c.order = append(c.order, s)
	}
	return s
}

func (c *Client) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run keeps a stream open until ctx ends, and returns the reason that ctx gives. It is called once.
func (c *Client) Run(ctx context.Context) error {
	retry := newBackoff(c.options.MinRetry, c.options.MaxRetry)
	for ctx.Err() == nil {
		err := c.serve(ctx, retry.reset)
		if ctx.Err() != nil {
			break
		}
		wait := retry.next()
		c.logger.Warn("xDS stream ended", "error", err, "retry_in", wait)
		c.connection(err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return context.Cause(ctx)
}

func (c *Client) connection(err error) {
	if c.options.Connection != nil {
		c.options.Connection(err)
	}
}
