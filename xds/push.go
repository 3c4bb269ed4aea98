package xds

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// rejected notes a NACK, to be told when no lock is held.
func (st *stream) rejected(r Rejection) { st.unreported = append(st.unreported, r) }

// wake queues the stream at the dispatcher, once.
func (st *stream) wake() {
	if st.woken.CompareAndSwap(false, true) {
		st.server.dispatch.add(st)
	}
}

// push sends what there is to send. A caller that must not wait for the client says so: what gRPC may
// not take at once is then left to a goroutine that ends when nothing is left to send.
func (st *stream) push(mayBlock bool) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.sending {
		st.rerun = true
		st.server.waiters.look(st)
		return
	}
	st.sending = true
	st.pushLocked(mayBlock)
}

func (st *stream) pushLocked(mayBlock bool) {
	g := st.session.group
	for !st.closed {
		// Whoever publishes wakes the streams that this concerns, so others need not look.
		st.first.Store(false)
		look := st.woken.Swap(false) || st.unseen
		st.rerun, st.unseen = false, false
		if st.moved.CompareAndSwap(true, false) {
			st.session.relocate()
			look = true
		}
		if look {
			g.load()
		}
		g.activity++
		r := st.session.next(time.Now())
		st.server.tallies.look(st)
		if r == nil {
			if st.rerun || st.woken.Load() {
				continue
			}
			break
		}
		if !mayBlock && st.window.mayBlock() {
			st.server.open.Go(func() { st.pushOn(r) })
			return
		}
		if !st.send(r) {
			break
		}
	}
	st.stopSending()
	st.server.waiters.look(st)
	st.schedule()
	st.tellRejected()
}

// stopSending lets others send, and a handler return that waits for it.
func (st *stream) stopSending() {
	st.sending = false
	if st.quiet != nil {
		close(st.quiet)
		st.quiet = nil
	}
}

// pushOn continues a push that may block, with a response that is already due.
func (st *stream) pushOn(r *response) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.send(r) {
		st.pushLocked(true)
		return
	}
	st.stopSending()
}

// errStalled ends the stream of a client that does not read.
var errStalled = status.Error(codes.Unavailable, "xds client does not read what it is sent")

// send hands a response to gRPC. The group's lock is released meanwhile.
func (st *stream) send(r *response) bool {
	st.responses++
	if st.expired {
		defer st.end(errExpired)
	}
	r.tail = tailOf(r, st.server.o.Identifier)
	if st.window.mayBlock() {
		timer := time.AfterFunc(st.server.o.SendTimeout, func() { st.end(errStalled) })
		defer timer.Stop()
	}
	st.window.sent(r.nonce, r.size())
	g := st.session.group
	g.mu.Unlock()
	defer g.mu.Lock()
	if callback := st.server.o.Callbacks.Response; callback != nil {
		callback(st.info, responseInfo(r))
	}
	if err := st.grpc.SendMsg(r); err != nil {
		st.end(err)
		return false
	}
	if r.broken != nil {
		st.end(status.Errorf(codes.Internal, "response of type %q: %v", r.watch.typeURL, r.broken))
		return false
	}
	return true
}

// schedule arranges for a push when the session has something by itself. The caller holds
// the group's lock.
func (st *stream) schedule() {
	at := st.session.wakeup()
	switch {
	case at.IsZero() || st.closed:
		if st.timer != nil {
			st.timer.Stop()
			st.timer = nil
		}
	case st.timer == nil:
		st.timer = time.AfterFunc(time.Until(at), st.wake)
	default:
		st.timer.Reset(time.Until(at))
	}
}

// tellRejected logs NACKs and calls back. The caller holds the group's lock, which is
// released meanwhile.
func (st *stream) tellRejected() {
	if len(st.unreported) == 0 {
		return
	}
	told := st.unreported
	st.unreported = nil
	g := st.session.group
	g.mu.Unlock()
	defer g.mu.Lock()
	for _, r := range told {
		st.server.log.Warn("xds response rejected", "stream", st.info.ID, "node", st.info.Node.ID,
			"type", r.Type, "version", r.Version, "message", r.Message)
		if callback := st.server.o.Callbacks.Rejected; callback != nil {
			callback(st.info, r)
		}
	}
}
