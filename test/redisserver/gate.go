package redisserver

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Gate passes connections on to a server, and can be shut.
type Gate struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	opened chan struct{} // closed while the gate is open
	conns  []net.Conn
}

// StartGate returns an open gate to an address.
func StartGate(t testing.TB, to string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{to: to, listener: listener, opened: make(chan struct{})}
	close(g.opened)
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { g.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		g.cut()
		g.Open()
		passing.Wait()
	})
	return g
}

// Address is where it listens.
func (g *Gate) Address() string { return g.listener.Addr().String() }

// Shut lets nothing through in either direction, as a network does that drops every packet.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

// Open lets everything through again, on new connections: the old ones are cut.
func (g *Gate) Open() {
	g.cut()
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

func (g *Gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

func (g *Gate) pass(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer to.Close()
	g.mu.Lock()
	g.conns = append(g.conns, from, to)
	g.mu.Unlock()
	var both sync.WaitGroup
	copying := func(to, from net.Conn) {
		_, _ = io.Copy(gated{to, g}, from)
		to.Close()
	}
	both.Go(func() { copying(to, from) })
	both.Go(func() { copying(from, to) })
	both.Wait()
}

// gated writes when the gate is open.
type gated struct {
	net.Conn
	gate *Gate
}

func (w gated) Write(p []byte) (int, error) {
	w.gate.mu.Lock()
	opened := w.gate.opened
	w.gate.mu.Unlock()
	<-opened
	return w.Conn.Write(p)
}
