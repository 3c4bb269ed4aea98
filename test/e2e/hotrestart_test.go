package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/doyen-mesh/doyen/test/machine"
)

// wrapped writes a program that is an Envoy, after the lines of a shell script.
func wrapped(t *testing.T, path, lines string) {
	t.Helper()
	replaceProgram(t, path, []byte("#!/bin/sh\n"+lines+"\nexec "+machine.Envoy(t)+" \"$@\"\n"))
}

// epoch is how many Envoys of its family were before the one at an admin port; -1 when none answers.
func epoch(admin int) int {
	var info struct {
		Options struct {
			Epoch int `json:"restart_epoch"`
		} `json:"command_line_options"`
	}
	// A connection that is kept leads to the Envoy that has accepted it.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/server_info", admin))
	if err != nil {
		return -1
	}
	defer response.Body.Close()
	if json.NewDecoder(response.Body).Decode(&info) != nil {
		return -1
	}
	return info.Options.Epoch
}

// TestEnvoyIsHotRestarted replaces the Envoy of a service by other executables, under traffic by HTTP/1.1 and gRPC: no request
// is lost. A stream on which nothing happens stays open until the Envoy before ends, and its caller gets a GOAWAY before.
func TestEnvoyIsHotRestarted(t *testing.T) {
	documents := failStatic()
	documents["mesh.yaml"] = "kind: Mesh\nname: shop\ndefaults: {timeout: 0s, retries: 0}\n"
	m := newMesh(t, documents)
	executable := filepath.Join(t.TempDir(), "envoy")
	wrapped(t, executable, "# one")
	flags := options{args: []string{"--envoy", executable, "--drain-timeout", "2s"}}
	m.startInstance("payments", "payments-1", options{env: []string{kindVariable + "=grpc"}})
	web := m.startInstance("web", "web-1", flags)
	direct := fmt.Sprintf("http://127.0.0.1:%d", web.ingress)
	answers(t, direct, "web", "web-1")
	loads := []*traffic{startTraffic(t, direct, "web"), startCalls(t, connect(t, web.egress))}
	for _, load := range loads {
		load.sends(t, rate)
	}
	m.inSync()
	stream := openStream(t, web.egress)
	before := web.envoy(t)

	for n := range 2 {
		wrapped(t, executable, fmt.Sprintf("# another: %d", n))
		if out, err := m.upgrade("web"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		eventually(t, "the next Envoy serves", func() string {
			if got := epoch(web.admin); got != n+1 {
				return fmt.Sprintf("epoch %d", got)
			}
			return ""
		})
		if n == 0 {
			if out, err := m.upgrade("web"); err == nil || !strings.Contains(out, "still draining") {
				t.Errorf("an upgrade while two Envoys run: %v: %s", err, out)
			}
			stream.endsAfterGoAway(t)
		}
		eventually(t, "the Envoy before has ended", func() string {
			if strings.Count(web.output.String(), "the envoy before has ended") != n+1 {
				return "it runs"
			}
			return ""
		})
		for _, load := range loads {
			load.sends(t, rate)
		}
	}
	for _, load := range loads {
		load.mustNotFail(t)
	}
	if now := web.envoy(t); now == before {
		t.Errorf("Envoy is still process %d", now)
	}
	if state := m.stateOf("web", web.ingress, "healthy"); state != "" {
		t.Error(state)
	}
	m.inSync()
}

// TestEnvoyThatRefusesIsDrained replaces an Envoy by one that says that it cannot take over: callers leave the instance, and
// the next Envoy is started after the one before has ended. Then it is replaced by one that does not accept its
// bootstrap, which changes nothing.
func TestEnvoyThatRefusesIsDrained(t *testing.T) {
	m := newMesh(t, map[string]string{"mesh.yaml": "kind: Mesh\nname: shop\ndefaults: {retries: 0}\n", "users.yaml": loneService, "edge.yaml": loneEdge})
	executable := filepath.Join(t.TempDir(), "envoy")
	wrapped(t, executable, "# one")
	i := m.startInstance("users", "users-1", options{args: []string{"--envoy", executable}})
	m.startInstance("users", "users-2", options{})
	edge := m.startEdge("public")
	answers(t, edge, "any.example.com", "users-1")
	traffic := startTraffic(t, edge, "any.example.com")
	traffic.sends(t, rate)
	m.inSync()
	before := i.envoy(t)
	wrapped(t, executable, `[ "$1" != --hot-restart-version ] || { echo 99.1; exit; }`)
	if out, err := m.upgrade("users"); err != nil && !strings.Contains(out, "users") {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "callers leave the instance alone", func() string { return m.stateOf("users", i.ingress, "unhealthy") })
	eventually(t, "the next Envoy serves", func() string { return m.stateOf("users", i.ingress, "healthy") })
	traffic.reset()
	eventually(t, "callers return", func() string { return answered(traffic, "users-1") })
	traffic.mustNotFail(t)
	now := i.envoy(t)
	if now == before || syscall.Kill(before, 0) == nil {
		t.Errorf("Envoy is process %d, before %d", now, before)
	}

	wrapped(t, executable, `case "$*" in *"--mode validate"*) echo no such field >&2; exit 1;; esac`)
	if out, err := m.upgrade("users"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "the agent says why Envoy goes on", func() string {
		if !strings.Contains(i.output.String(), "no such field") {
			return "it does not"
		}
		return ""
	})
	if now != i.envoy(t) {
		t.Error("Envoy was replaced by one that does not accept its bootstrap")
	}
}

// stream is one HTTP/2 stream on a connection of its own, which gets nothing more after its first message.
type stream struct {
	conn   net.Conn
	framer *http2.Framer
}

// openStream opens a gRPC stream, and waits for its first message.
func openStream(t *testing.T, port int) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", "payments"}, {":path", "/grpc.health.v1.Health/Watch"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	err = errors.Join(err, framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true}),
		framer.WriteData(1, true, make([]byte, 5)), conn.SetReadDeadline(time.Now().Add(patience)))
	for err == nil {
		var frame http2.Frame
		if frame, err = framer.ReadFrame(); err == nil && frame.Header().Type == http2.FrameData {
			return &stream{conn, framer}
		}
	}
	t.Fatal(err)
	return nil
}

// endsAfterGoAway waits until the stream ends, and wants a GOAWAY before.
func (s *stream) endsAfterGoAway(t *testing.T) {
	t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	told := false
	for {
		frame, err := s.framer.ReadFrame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("the stream has not ended within %v", patience)
		case err != nil || frame.Header().Type == http2.FrameRSTStream:
			if !told {
				t.Errorf("the stream ended without a GOAWAY: %v, %v", frame, err)
			}
			return
		case frame.Header().Type == http2.FrameGoAway:
			told = true
		}
	}
}
