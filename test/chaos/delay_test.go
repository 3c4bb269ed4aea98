//go:build linux

package main

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestCopyDelayed holds that each byte arrives one delay after it was sent, however many others are under way, and
// that the end is passed on after the last one.
func TestCopyDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sent, every = 10, 30 * time.Millisecond
		sender, from := net.Pipe()
		to, receiver := net.Pipe()
		copied := make(chan error, 1)
		go func() {
			copied <- copyDelayed(to, from, delay)
			to.Close()
		}()
		began := time.Now()
		go func() {
			defer sender.Close()
			for i := range sent {
				time.Sleep(every)
				if _, err := sender.Write([]byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range sent {
			var got [1]byte
			if _, err := io.ReadFull(receiver, got[:]); err != nil {
				t.Fatal(err)
			}
			if want := time.Duration(i+1)*every + delay; got[0] != byte(i) || time.Since(began) != want {
				t.Errorf("byte %d arrives after %v, want byte %d after %v", got[0], time.Since(began), i, want)
			}
		}
		if n, err := receiver.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the last byte: %d bytes, %v, want the end", n, err)
		}
		if err := <-copied; err != nil {
			t.Error(err)
		}
	})
}
