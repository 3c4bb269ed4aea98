package xds

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// silentStream is a stream of a client that sends nothing.
type silentStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s silentStream) Context() context.Context { return s.ctx }

func (s silentStream) RecvMsg(any) error {
	<-s.ctx.Done()
	return s.ctx.Err()
}

// A stream without a first request does not stay open.
func TestFirstRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := NewServer(NewLinearCache(ClusterType), ServerOptions{})
		opened := time.Now()
		err := server.serve(method{name: "delta-ads", delta: true}, silentStream{ctx: ctx})
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the stream ended with %v", err)
		}
		if open := time.Since(opened); open < firstRequestTimeout || open > firstRequestTimeout+2*time.Second {
			t.Errorf("the stream was open for %v: want about %v", open, firstRequestTimeout)
		}
		cancel() // as gRPC does once the handler has returned
		server.Shutdown()
	})
}

// Streams that began together end at their maximum age, give or take a tenth, and not together (C015).
func TestMaxStreamAgeIsSpread(t *testing.T) {
	const age = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := NewServer(NewLinearCache(ClusterType), ServerOptions{MaxStreamAge: age})
		opened := time.Now()
		ended := make(chan time.Duration)
		const streams = 100
		for range streams {
			go func() {
				if err := server.serve(method{name: "delta-ads", delta: true}, silentStream{ctx: ctx}); status.Code(err) != codes.Unavailable {
					t.Errorf("a stream ended with %v", err)
				}
				ended <- time.Since(opened)
			}()
		}
		first := <-ended
		last := first
		for range streams - 1 {
			last = <-ended
		}
		if first < age*9/10 || last > age*11/10 {
			t.Errorf("streams ended after %v to %v: want %v, give or take a tenth", first, last, age)
		}
		if last-first < age/10 { // one in 10^27 runs, for 100 streams
			t.Errorf("all streams ended within %v", last-first)
		}
		cancel()
		server.Shutdown()
	})
}
