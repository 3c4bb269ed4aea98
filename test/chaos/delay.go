//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

const (
	delay      = 200 * time.Millisecond // in each direction
	delayShift = 1000                   // added to a port of a server, it is the port of the relay in front of it
	delayChunk = 16 << 10               // bytes that a relay reads at once
	delayQueue = 1024                   // chunks under way in each direction of a connection
)

// delayServers puts a relay that delays everything in front of each server, restarts the servers so that all agents
// connect through the relays, and waits until the mesh is complete. The connections of this program are not delayed.
func delayServers(ctx context.Context, f *fleet) error {
	for _, s := range f.servers {
		relay := &part{name: s.name + "-delay", host: s.host, log: f.file(s.name + "-delay.log"), command: process.Command{
			Path: f.self, Env: append(f.environment(), programVariable+"=delay", "DELAY_HOST="+s.host.IP.String()),
		}}
		if err := relay.start(); err != nil {
			return err
		}
		f.relays = append(f.relays, relay)
		if err := s.host.Redirect(ctx, map[int]int{grpcPort: grpcPort + delayShift, httpPort: httpPort + delayShift}); err != nil {
			return err
		}
		s.kill()
		if err := s.restart(); err != nil {
			return err
		}
	}
	if err := awaitConverged(ctx, f); err != nil {
		return err
	}
	return f.delayed(ctx)
}

// delayed is nil if every proxy is connected through a relay, whose connections come from the server's own host.
func (f *fleet) delayed(ctx context.Context) error {
	for _, s := range f.servers {
		status, err := s.admin.Status(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, p := range status.Proxies {
			if p.Connected && !strings.HasPrefix(p.Node, watchPrefix) && !strings.HasPrefix(p.Client, s.host.IP.String()) {
				return fmt.Errorf("%s: %s is connected from %s, not through the relay", s.name, p.Node, p.Client)
			}
		}
	}
	return nil
}

// undelayServers ends delayServers: connections through the relays break, and new ones lead directly to the servers.
func undelayServers(ctx context.Context, f *fleet) error {
	var errs []error
	for _, s := range f.servers {
		errs = append(errs, s.host.Hear(ctx))
	}
	for _, r := range f.relays {
		errs = append(errs, r.running())
		r.kill()
	}
	f.relays = nil
	return errors.Join(errs...)
}

// relayDelayed accepts connections beside the ports of the server on its host, and relays them to it.
func relayDelayed(ctx context.Context) error {
	host := os.Getenv("DELAY_HOST")
	var relays sync.WaitGroup
	defer relays.Wait()
	for _, port := range []int{grpcPort, httpPort} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port+delayShift)))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { listener.Close() })
		relays.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go relayConn(conn.(*net.TCPConn), net.JoinHostPort(host, strconv.Itoa(port)))
			}
		})
	}
	return nil
}

// relayConn relays one connection. What breaks it on one side breaks it on the other.
func relayConn(client *net.TCPConn, target string) {
	defer client.Close()
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer conn.Close()
	server := conn.(*net.TCPConn)
	var directions sync.WaitGroup
	for _, d := range []struct{ from, to *net.TCPConn }{{client, server}, {server, client}} {
		directions.Go(func() {
			if err := copyDelayed(d.to, d.from, delay); err != nil {
				client.Close()
				server.Close()
				return
			}
			_ = d.to.CloseWrite() // fails only when the connection is broken, as the next read then shows
		})
	}
	directions.Wait()
}

// copyDelayed copies until from ends, and writes each byte d after it was read.
func copyDelayed(to io.Writer, from io.Reader, d time.Duration) error {
	type chunk struct {
		due  time.Time
		data []byte
	}
	chunks := make(chan chunk, delayQueue)
	written := make(chan error, 1)
	go func() {
		var err error
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			if err == nil {
				_, err = to.Write(c.data)
			}
		}
		written <- err
	}()
	var readErr error
	for {
		data := make([]byte, delayChunk)
		n, err := from.Read(data)
		if n > 0 {
			chunks <- chunk{time.Now().Add(d), data[:n]}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				readErr = fmt.Errorf("read: %w", err)
			}
			break
		}
	}
	close(chunks)
	return errors.Join(readErr, <-written)
}
