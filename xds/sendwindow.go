package xds

import (
	"context"
	"net/http"
	"slices"
)

// A sendWindow tells, without trusting the client, whether gRPC may make a sender wait. gRPC takes a
// message at once as long as less than 64 KiB of a stream are not written to the connection yet. What
// was written is not visible from outside, but a client that repeats a nonce has read the response with
// that nonce and all before it, since nonces cannot be guessed.
type sendWindow struct {
	limit    int // bytes
	total    int // bytes handed to gRPC so far
	read     int // of these, what the client is known to have read
	unproven []sentResponse
}

// sentResponse is a response that the client is not known to have read.
type sentResponse struct {
	nonce string
	end   int // the window's total with this response
}

// safeWindow is half of what gRPC takes without waiting for the client.
const safeWindow = 32 << 10

// newSendWindow is for a stream with the given context. Streams on a net/http server are different:
// there, a message waits until the one before it is written.
func newSendWindow(ctx context.Context) sendWindow {
	if ctx.Value(http.ServerContextKey) != nil {
		return sendWindow{limit: 0}
	}
	return sendWindow{limit: safeWindow}
}

// mayBlock says whether sending a message now, of any size, may have to wait for the client.
func (w *sendWindow) mayBlock() bool { return w.total-w.read > w.limit }

// messagePrefix is what gRPC puts before a message, in bytes.
const messagePrefix = 5

// maxUnproven bounds how many responses are remembered. The oldest prove least.
const maxUnproven = 256

// sent takes note of a response of so many bytes that is about to be sent.
func (w *sendWindow) sent(nonce string, size int) {
	w.total += size + messagePrefix
	if len(w.unproven) >= maxUnproven { // heartbeats to a client that never answers
		w.unproven = slices.Delete(w.unproven, 0, maxUnproven/2)
	}
	w.unproven = append(w.unproven, sentResponse{nonce, w.total})
}

// received takes note of a nonce that came from the client.
func (w *sendWindow) received(nonce string) {
	if nonce == "" {
		return
	}
	i := slices.IndexFunc(w.unproven, func(r sentResponse) bool { return r.nonce == nonce })
	if i < 0 {
		return
	}
	w.read = w.unproven[i].end
	w.unproven = slices.Delete(w.unproven, 0, i+1)
}
