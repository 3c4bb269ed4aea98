package server

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

var errBroken = errors.New("it broke")

// broken is a listener that cannot accept connections any more.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errBroken }

// TestBrokenPort checks that a port that breaks ends the server with the reason: half a server would look healthy and
// serve nobody.
func TestBrokenPort(t *testing.T) {
	for _, port := range []string{"gRPC", "HTTP"} {
		t.Run(port, func(t *testing.T) {
			on := listeners{grpc: localListener(t), http: localListener(t)}
			if port == "gRPC" {
				on.grpc = broken{on.grpc}
			} else {
				on.http = broken{on.http}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := built(t).serveOn(ctx, on); !errors.Is(err, errBroken) || ctx.Err() != nil {
				t.Errorf("got %v (context: %v): want the server to end at once, because %v", err, ctx.Err(), errBroken)
			}
		})
	}
}

func localListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
