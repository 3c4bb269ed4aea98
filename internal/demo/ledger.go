package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// serveLedger runs a TCP server on PORT that answers each line with its name and that line. It represents a program
// outside the mesh.
func serveLedger(ctx context.Context, instance string, _ io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if _, err := fmt.Fprintf(conn, "%s %s\n", instance, lines.Text()); err != nil {
					return
				}
			}
		})
	}
}

// ledgerClient calls the ledger over connections that it keeps. A broken connection counts as a failure.
type ledgerClient struct {
	address string
	idle    chan *ledgerConn
}

type ledgerConn struct {
	net.Conn
	lines *bufio.Reader
}

func (l *ledgerClient) ask(ctx context.Context) (traffic.Answer, error) {
	conn, err := l.connect(ctx)
	if err != nil {
		return traffic.Answer{}, fmt.Errorf("ledger: %w", err)
	}
	_ = conn.SetDeadline(time.Now().Add(traffic.CallTimeout)) // fails only on a closed connection, as the write then does
	line := ""
	if _, err = io.WriteString(conn, "entry\n"); err == nil {
		line, err = conn.lines.ReadString('\n')
	}
	if err != nil {
		conn.Close()
		return traffic.Answer{}, fmt.Errorf("ledger: %w", err)
	}
	select {
	case l.idle <- conn:
	default:
		conn.Close()
	}
	instance, _, _ := strings.Cut(line, " ")
	return traffic.Answer{Service: "ledger", Instance: instance}, nil
}

func (l *ledgerClient) connect(ctx context.Context) (*ledgerConn, error) {
	select {
	case conn := <-l.idle:
		return conn, nil
	default:
	}
	conn, err := (&net.Dialer{Timeout: traffic.CallTimeout}).DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, err
	}
	return &ledgerConn{conn, bufio.NewReader(conn)}, nil
}
