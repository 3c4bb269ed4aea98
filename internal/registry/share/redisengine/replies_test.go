package redisengine

import (
	"context"
	"net"
	"strings"
	"testing"
)

// TestRepliesOutOfBounds connects to a server that answers everything with a reply which would take all memory, or all
// of the stack.
func TestRepliesOutOfBounds(t *testing.T) {
	for name, reply := range map[string]string{
		"string":        "$9223372036854775806\r\n",
		"large string":  "$99999999999999\r\n",
		"array":         "*9223372036854775807\r\n",
		"large array":   "*99999999999\r\n",
		"map":           "%4611686018427387904\r\n",
		"set":           "~99999999999\r\n",
		"arrays":        strings.Repeat("*4000000\r\n", 8),
		"depth":         strings.Repeat("*1\r\n", 1<<20),
		"line":          "+" + strings.Repeat("x", 1<<20),
		"no number":     "$x\r\n",
		"negative":      "*-2\r\n",
		"unknown type":  "?\r\n",
		"an empty line": "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						buffer := make([]byte, 4096)
						for {
							if _, err := conn.Read(buffer); err != nil {
								return
							}
							if _, err := conn.Write([]byte(reply)); err != nil {
								return
							}
						}
					}()
				}
			}()
			address, err := ParseAddress("redis://" + listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			engine, err := Open(address, Passwords{})
			if err != nil {
				t.Fatal(err)
			}
			defer engine.Close()
			ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
			defer cancel()
			if _, _, err := engine.Read(ctx, 0); err == nil || !strings.Contains(err.Error(), "the store") {
				t.Errorf("Read = %v, want an error that names the bound", err)
			}
		})
	}
}

// FuzzReplies wants the same verdict however a reply is cut into pieces, and what is left of it within the bounds.
func FuzzReplies(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nabc\r\n:7\r\n"), uint8(3))
	f.Add([]byte("%1\r\n+a\r\n*-1\r\n$-1\r\n"), uint8(1))
	f.Add([]byte("*1\r\n*1\r\n*99999999999\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		var whole, parts replies
		wholeErr := whole.check(data)
		var partsErr error
		for rest := data; len(rest) > 0 && partsErr == nil; {
			n := min(len(rest), int(piece)+1)
			partsErr, rest = parts.check(rest[:n]), rest[n:]
		}
		if (wholeErr == nil) != (partsErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", wholeErr, partsErr)
		}
		sum := 0
		for _, n := range parts.open {
			sum += n
		}
		if partsErr == nil && (sum != parts.sum || sum > maxReplyElements || parts.rest > maxReplyString+2 || len(parts.open) > maxReplyDepth) {
			t.Fatalf("%+v is out of bounds", parts)
		}
	})
}
