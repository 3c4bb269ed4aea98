package main

import (
	"bufio"
	"context"
	"net"
)

// preface is how an HTTP/2 connection begins (RFC 9113, section 3.4). No method of HTTP/1 begins like that.
const preface = "PRI"

// splitByPreface lets gRPC and the REST-JSON form of xDS share one port. It accepts connections for both, and passes
// each one to the side of the protocol with which it begins. Closing one side closes both, and also the connections
// that have sent nothing yet.
func splitByPreface(l net.Listener) (http2, http1 net.Listener) {
	open, shut := context.WithCancel(context.Background())
	s := &splitter{l, open, shut}
	two := &side{s, make(chan net.Conn)}
	one := &side{s, make(chan net.Conn)}
	go s.accept(two.conns, one.conns)
	return two, one
}

type splitter struct {
	net.Listener
	open context.Context // until a side is closed
	shut context.CancelFunc
}

func (s *splitter) Close() error {
	s.shut()
	return s.Listener.Close()
}

func (s *splitter) accept(two, one chan<- net.Conn) {
	defer s.shut()
	for {
		conn, err := s.Listener.Accept()
		if err != nil {
			return
		}
		go s.hand(conn, two, one)
	}
}

// hand passes conn to the side that its first bytes select.
func (s *splitter) hand(conn net.Conn, two, one chan<- net.Conn) {
	stop := context.AfterFunc(s.open, func() { conn.Close() })
	defer stop()
	begin := &peeked{conn, bufio.NewReaderSize(conn, 16)}
	first, err := begin.reader.Peek(len(preface))
	to := one
	if err == nil && string(first) == preface {
		to = two
	}
	select {
	case to <- begin:
	case <-s.open.Done():
	}
}

// side is one of the two listeners.
type side struct {
	*splitter
	conns chan net.Conn
}

func (s *side) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.open.Done():
		return nil, net.ErrClosed
	}
}

// peeked is a connection whose first bytes were read.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }
