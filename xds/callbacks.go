package xds

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"
)

// Callbacks are told what happens on streams. Any may be nil. They must not block, and they are
// called from several goroutines: those of many streams at the same time, and of one stream
// Response and Rejected, which come from whoever sends, at the same time as Request, which comes
// from who reads. Two requests of a stream, or two responses, are told one after the other. StreamOpen
// is called before everything else of its stream, once the first request has said which node it is;
// StreamClose may overtake a call that is under way.
type Callbacks struct {
	StreamOpen  func(ctx context.Context, s StreamInfo) error // an error refuses the stream
	StreamClose func(s StreamInfo, err error)                 // err is nil when the client ended it in order
	Request     func(s StreamInfo, r RequestInfo) error       // an error ends the stream
	Response    func(s StreamInfo, r ResponseInfo)            // about to be sent
	Rejected    func(s StreamInfo, r Rejection)
}

// StreamInfo says which stream it is.
type StreamInfo struct {
	ID     uint64 // unique on its Server
	Method string // such as "delta-ads" or "sotw-cds"
	Node   *Node
	Peer   string // address of the client
}

// RequestInfo is what a client asked or answered.
type RequestInfo struct {
	Type  string
	Nonce string // of the response it answers; "" when it answers none
	// Names are all names asked for (state-of-the-world), or those to subscribe to (delta).
	Names, Unsubscribed Names
	Error               string // the client's words; "" unless it rejects the response
	Size                int    // of the message in bytes
}

// ResponseInfo is what is sent.
type ResponseInfo struct {
	Type, Nonce, Version string
	Resources, Removed   Names
	Size                 int // of the message in bytes
}

// Rejection is a response that a client rejected (NACK).
type Rejection struct {
	Type    string
	Version string // of the response that was rejected
	Message string // the client's words
	Time    time.Time
	// Names are what the rejected response would have changed or added, or, if it only removed,
	// what it would have removed; a single one when it was isolated.
	Names   []string
	Culprit bool // Names is exactly what the client rejects
}

// Names are names in a message. They are listed only for who asks for it: a list of all names
// for every message would cost more than the message. They may be kept and read at any time, but
// keep what they are names of in memory.
type Names struct {
	count int
	all   iter.Seq[string]
}

// Len is how many there are.
func (n Names) Len() int { return n.count }

// All yields them. A request that repeats the names of the one before, as an ACK in
// state-of-the-world does, yields them sorted and each once, others as they came.
func (n Names) All() iter.Seq[string] {
	if n.all == nil {
		return func(func(string) bool) {}
	}
	return n.all
}

func namesOf(list []string) Names { return Names{len(list), slices.Values(list)} }

// requestInfo tells of a request to the watch of its type, which is nil at the first.
func requestInfo(r *request, w *watch) RequestInfo {
	info := RequestInfo{Type: r.typeURL, Nonce: r.nonce, Names: namesOf(r.names), Unsubscribed: namesOf(r.drop), Error: r.message, Size: r.size}
	if r.nack && r.message == "" {
		info.Error = "rejected without a message"
	}
	if r.sameNames {
		info.Names = namesAsked(w.asked, w.wildcard)
	}
	return info
}

// namesAsked are names and, before them, that of the wildcard.
func namesAsked(names []string, wildcard bool) Names {
	if !wildcard {
		return namesOf(names)
	}
	return Names{len(names) + 1, func(yield func(string) bool) {
		if !yield(wildcardName) {
			return
		}
		slices.Values(names)(yield)
	}}
}

func responseInfo(r *response) ResponseInfo {
	info := ResponseInfo{Type: r.watch.typeURL, Nonce: r.nonce, Version: r.version, Size: r.size()}
	if whole := r.whole; whole != nil {
		info.Resources = Names{whole.count, func(yield func(string) bool) {
			for resource := range whole.all() {
				if !yield(resource.name) {
					return
				}
			}
		}}
		return info
	}
	info.Resources = Names{r.list.added, r.list.names(false)}
	if r.delta {
		info.Removed = Names{len(r.list.changes) - r.list.added, r.list.names(true)}
	}
	return info
}

// names yields the names of what is removed, or of the rest.
func (d *difference) names(removed bool) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, ch := range d.changes {
			if (ch.new == nil) == removed && !yield(ch.name) {
				return
			}
		}
	}
}

// Delta says whether the stream speaks the delta variant; else it is state-of-the-world.
func (s StreamInfo) Delta() bool { return strings.HasPrefix(s.Method, "delta") }
