package xds

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errDisconnected ends streams that Disconnect ends without a reason of its own.
var errDisconnected = status.Error(codes.Unavailable, "xds stream was disconnected by its server")

// Drain refuses new streams from now on, and ends the open ones one after another, spread evenly over a
// duration, so that their clients do not all come to other servers in one moment. Streams end with the
// status UNAVAILABLE. Drain returns nil when the last one was told to end, and ctx.Err() if ctx ends
// before. Shutdown comes after it in any case.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	s.close()
	all := s.allStreams()
	if len(all) == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, st := range all {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		st.end(errShutdown)
		timer.Reset(over / time.Duration(len(all)))
	}
	return nil
}

// Disconnect ends the streams that match with a reason, a gRPC status (nil is UNAVAILABLE), and returns
// how many. Their clients may come back at once: who is not to come back has to be refused by
// ServerOptions.Authenticate, too.
//
//	server.Disconnect(func(s xds.StreamInfo) bool { return s.Node.ID == id }, nil)
func (s *Server) Disconnect(match func(StreamInfo) bool, reason error) int {
	if reason == nil {
		reason = errDisconnected
	}
	ended := 0
	for _, st := range s.allStreams() {
		if match(st.info) {
			st.end(reason)
			ended++
		}
	}
	return ended
}
