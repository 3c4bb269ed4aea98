package xds

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestSendWindow(t *testing.T) {
	w := newSendWindow(t.Context())
	w.sent("large", 3<<20)
	if !w.mayBlock() {
		t.Error("3 MiB that nobody has read do not count")
	}
	w.received("")
	w.received("guessed")
	if !w.mayBlock() {
		t.Error("a nonce that was not given out proves something")
	}
	w.sent("small", 10)
	w.received("large")
	if w.mayBlock() {
		t.Error("the client has read the large response, but it still counts")
	}
	for range 1000 {
		w.sent("unread", 100)
	}
	w.received("large")
	if !w.mayBlock() {
		t.Error("a nonce proves something a second time")
	}
	if len(w.unproven) > maxUnproven {
		t.Errorf("%d responses are remembered", len(w.unproven))
	}
	w.sent("last", 10)
	w.received("last") // proves all before it
	w.received("small")
	if w.mayBlock() || len(w.unproven) > 0 {
		t.Errorf("everything was read, but %d responses are unproven", len(w.unproven))
	}
}

// A handler of net/http waits until it has written a message before it takes the next.
func TestSendWindowOfNetHTTP(t *testing.T) {
	w := newSendWindow(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{}))
	if w.mayBlock() {
		t.Error("the first message may block")
	}
	w.sent("a", 1)
	if !w.mayBlock() {
		t.Error("the second message may not block")
	}
}

// Nonces differ from each other, and their secret parts from those of the same stream and of others.
func TestNonces(t *testing.T) {
	secrets := map[string]bool{}
	for range 10 {
		var s session
		for range 100 {
			nonce := s.newNonce()
			_, secret, _ := strings.Cut(nonce, ".")
			if len(secret) < 12 || secrets[secret] {
				t.Fatalf("secret of nonce %q is short, or not the first of its kind", nonce)
			}
			secrets[secret] = true
		}
	}
}
