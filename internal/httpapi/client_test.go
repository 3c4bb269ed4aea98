package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
)

// answering returns a client of a server that answers every request with status and body.
func answering(t *testing.T, status int, body string) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := NewClient(s.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(t *testing.T, c *Client) error {
	t.Helper()
	var out struct{}
	_, err := c.Call(t.Context(), http.MethodGet, "/v1/status", nil, nil, &out)
	return err
}

func TestRefused(t *testing.T) {
	err := get(t, answering(t, http.StatusNotFound, `{"error":"service \"user\" has no manifest","hint":"did you mean users?"}`))
	var refused *Refused
	if !errors.As(err, &refused) || !IsStatus(err, 404) || refused.Answer.Hint != "did you mean users?" || err.Error() != `service "user" has no manifest` {
		t.Errorf("error = %#v", err)
	}
	err = get(t, answering(t, http.StatusBadRequest, `{"error":"2 things","problems":[{"field":"weight","error":"is 0","expected":"1-1000"}]}`))
	if want := "2 things; weight: is 0: want 1-1000"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// TestOtherServers calls servers that are not doyen.
func TestOtherServers(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		body      string
		want      string
		temporary bool
	}{
		"proxy":     {502, "<html>bad gateway</html>", "/v1/status answers 502 Bad Gateway: is it a doyen server?", true},
		"busy":      {429, ``, "Too Many Requests", true},
		"not JSON":  {200, "hello", "does not answer as doyen does", false},
		"elsewhere": {404, `{"message":"no"}`, "answers 404 Not Found: is it a doyen server?", false},
		"too large": {404, `{"error":"` + strings.Repeat("x", maxRefusal) + `"}`, "answers 404", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := get(t, answering(t, test.status, test.body))
			var refused *Refused
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &refused) && refused.Temporary() != test.temporary {
				t.Errorf("got %v, want %q, temporary %t", err, test.want, test.temporary)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c, err := NewClient(s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = get(t, c)
	var unreachable *Unreachable
	if !errors.As(err, &unreachable) || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("error = %v, want Unreachable", err)
	}
}

// TestGRPCPort calls a server's gRPC port, which answers with HTTP/2 frames.
func TestGRPCPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	go s.Serve(l)
	t.Cleanup(s.Stop)
	c, err := NewClient("http://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	err = get(t, c)
	var unreachable *Unreachable
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "gRPC port") || strings.Contains(err.Error(), "malformed") {
		t.Errorf("error = %v, want to be told of the gRPC port", err)
	}
}

// TestNoHTTP looks at the error of a request that is written after the HTTP/2 settings of a gRPC port have arrived.
func TestNoHTTP(t *testing.T) {
	var none error
	err := plain(fmt.Errorf("readLoopPeekFailLocked: %w", none))
	if err != errNoHTTP {
		t.Errorf("error = %v, want to be told of the gRPC port", err)
	}
}

func TestBadServers(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:18001", "localhost", "ftp://x", "http://", "http://a b"} {
		if _, err := NewClient(base, nil); err == nil || !strings.Contains(err.Error(), "want a URL") {
			t.Errorf("%q: %v, want to be told what a server looks like", base, err)
		}
	}
}

func TestBody(t *testing.T) {
	for _, test := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"JSON", "application/json; charset=utf-8", "{}", 200},
		{"a form", "application/x-www-form-urlencoded", "a=b", http.StatusUnsupportedMediaType},
		{"no type", "", "{}", http.StatusUnsupportedMediaType},
		{"too large", "application/json", strings.Repeat(" ", MaxBody+1), http.StatusRequestEntityTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			w := httptest.NewRecorder()
			body, ok := Body(w, r)
			if w.Code != test.status || ok != (test.status == 200) || ok && string(body) != test.body {
				t.Errorf("status %d, ok %t, body %q", w.Code, ok, body)
			}
		})
	}
}
