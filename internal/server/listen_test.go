package server

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestConnectionsAreServedInTurn accepts many connections that are all there already. The goroutine of each one runs
// before many others are accepted.
func TestConnectionsAreServedInTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const many, waiting = 1000, 10
	var served atomic.Int64
	listener := turnListener{&backlog{many: many}}
	for accepted := range many {
		if _, err := listener.Accept(); err != nil {
			t.Fatal(err)
		}
		if behind := accepted - int(served.Load()); behind > waiting {
			t.Fatalf("%d connections wait while another one is accepted", behind)
		}
		go served.Add(1)
	}
	if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want that of the listener", err)
	}
}

// backlog is a listener with so many connections, none of which is ever used.
type backlog struct {
	net.Listener
	many int
}

func (b *backlog) Accept() (net.Conn, error) {
	if b.many == 0 {
		return nil, net.ErrClosed
	}
	b.many--
	return nil, nil
}
