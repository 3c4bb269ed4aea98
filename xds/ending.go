package xds

import (
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errExpired ends streams that reached their age; clients come back, perhaps elsewhere.
var errExpired = status.Error(codes.Unavailable, "xds stream reached its maximum age")

// jittered spreads an age by a tenth up and down, so that streams that began together do not end together.
func jittered(age time.Duration) time.Duration {
	return time.Duration(float64(age) * (0.9 + 0.2*rand.Float64()))
}

// expire ends the stream. One that has asked for something lives on until it was sent something (C015).
func (st *stream) expire() {
	st.server.mu.Lock()
	admitted := st.admitted
	st.server.mu.Unlock()
	if !admitted {
		st.end(errExpired)
		return
	}
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	st.expired = true
	if st.responses > 0 {
		st.end(errExpired)
	}
}

// end lets serve return with err, that of the first call. It does not block.
func (st *stream) end(err error) {
	st.ending.Do(func() {
		st.err = withoutEOF(err)
		close(st.ended)
	})
}

// finish takes the stream out of everything, if it ever got in.
func (st *stream) finish() {
	s := st.server
	if !s.leave(st) {
		return
	}
	g := st.session.group
	g.mu.Lock()
	st.closed = true
	st.schedule()
	s.waiters.look(st) // while the session knows what the client has answered
	st.session.close()
	g.remove(time.Now(), &st.session)
	s.tallies.forget(st)
	var quiet chan struct{}
	if st.sending {
		quiet = make(chan struct{})
		st.quiet = quiet
	}
	g.mu.Unlock()
	awaitSender(quiet)
	s.closeCallback(st, st.err)
	s.log.Debug("xds stream closed", "stream", st.info.ID, "node", st.info.Node.ID, "error", st.err)
}

// senderPatience is how long a handler waits for who is still sending on its stream: what wraps
// streams, as interceptors do, may not expect that after the handler. A client that does not
// read is not waited for longer; gRPC ends a blocked send when the handler has returned.
const senderPatience = time.Second

// awaitSender returns when quiet is closed, at once when it is nil, or when patience ends.
func awaitSender(quiet <-chan struct{}) {
	if quiet == nil {
		return
	}
	timer := time.NewTimer(senderPatience)
	defer timer.Stop()
	select {
	case <-quiet:
	case <-timer.C:
	}
}

func (s *Server) closeCallback(st *stream, err error) {
	if callback := s.o.Callbacks.StreamClose; callback != nil {
		callback(st.info, err)
	}
}

// withoutEOF turns the client's orderly end into no error.
func withoutEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
