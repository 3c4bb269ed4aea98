package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// noon is the time at which these tests look at a status.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// troubled is a status with one finding of each kind.
func troubled() api.Status {
	same := func(v string) api.TypeStatus { return api.TypeStatus{Sent: v, Acknowledged: v} }
	return api.Status{
		Server: api.Server{Version: "v0.1.0", Started: ago(49 * time.Hour), Revision: "4bb7819ad4e4"},
		Config: api.Config{
			Revision: "4bb7819ad4e4", Folder: "/etc/doyen",
			Error: "folder /etc/doyen: permission denied",
			Problems: []api.Problem{
				{File: "users.yaml", Line: 4, Column: 9, Message: `there is no Service or External "orderz"`, Expected: "the name of a document", Hint: "did you mean orders?"},
				{File: "web.yaml", Line: 2, Message: `port "x" is not a number`, Expected: "1-65535"},
				{File: ".", Message: "the folder holds no documents"},
			},
			Held: &api.Held{Revision: "9d41c07e55aa", Reason: "it would remove 7 of 9 services", Removes: []string{"service a", "service b", "service c", "service d", "service e", "service f", "service g"}},
		},
		Expiry: []api.Doubt{{Service: "users", Instances: []string{"10.0.0.7:9211", "10.0.0.8:9211", "10.0.0.9:9211"}, Of: 4, Since: ago(90 * time.Second), Until: noon.Add(28 * time.Minute)}},
		Summary: api.Summary{
			Instances: api.Instances{Healthy: 4, Draining: 1},
			Proxies:   api.ProxySummary{Connected: 4, InSync: 2, Missing: 1},
		},
		Findings: []api.Finding{
			{Kind: api.DocumentsUnreadable, Subject: "/etc/doyen", Message: "folder /etc/doyen: permission denied"},
			{Kind: api.DocumentsRefused, Subject: "/etc/doyen", Message: "the folder has 3 problems, so revision 4bb7819ad4e4 stays in force", Hint: "doyen validate /etc/doyen shows them"},
			{Kind: api.DocumentsHeld, Subject: "9d41c07e55aa", Message: "it would remove 7 of 9 services", Hint: "to let it take effect: doyen accept 9d41c07e55aa", Since: ago(time.Hour)},
			{Kind: api.ProxyMissing, Subject: "sidecar/users/10.0.0.8:9211", Message: "its instance is registered, but it is not connected", Hint: "doyen status sidecar/users/10.0.0.8:9211 shows more", Since: ago(20 * time.Second)},
			{Kind: api.DuplicateNode, Subject: "edge/public/host1", Message: "2 clients use this node ID: 10.0.0.1:40000, 10.0.0.2:40000", Since: ago(time.Hour)},
			{Kind: api.ProxyRejected, Subject: "sidecar/users/10.0.0.7:9211", Message: "it rejected a change of its listeners and keeps the last one it accepted: cannot bind '0.0.0.0:9211'", Since: ago(20 * time.Second)},
		},
		Proxies: []api.Proxy{
			{
				Node: "edge/public/host1", Client: "10.0.0.1:40000", Kind: "envoy", Role: "edge", Edge: "public", Connected: true, Since: ago(time.Hour), InSync: true, State: api.InSync, Revision: "4bb7819ad4e4",
				Types: map[string]api.TypeStatus{"listeners": same("aaa"), "routes": same("bbb"), "clusters": same("ccc"), "endpoints": same("ddd"), "secrets": same("eee")},
			},
			{
				Node: "edge/public/host1", Client: "10.0.0.2:40000", Kind: "envoy", Role: "edge", Edge: "public", Connected: true, Since: ago(time.Hour), InSync: true, State: api.InSync, Revision: "4bb7819ad4e4",
				Types: map[string]api.TypeStatus{"listeners": same("aaa"), "routes": same("bbb"), "clusters": same("ccc"), "endpoints": same("ddd"), "secrets": same("eee")},
			},
			{
				Node: "proxyless/desk/10.0.0.9-4711", Client: "10.0.0.9", Kind: "grpc", Role: "proxyless", Service: "desk", Zone: "eu-1a", Connected: true, Since: ago(time.Minute),
				State: api.Pending, StateSince: ago(2 * time.Second), Why: "no routes have been sent to it yet", Revision: "4bb7819ad4e4", Types: map[string]api.TypeStatus{},
				Unreachable: []api.Unreachable{{To: "ledger", Why: "a gRPC program cannot call a TCP external", Origin: "desk.yaml:7:9"}},
			},
			{
				Node: "sidecar/users/10.0.0.7:9211", Client: "10.0.0.7:40000", Kind: "envoy", Role: "sidecar", Service: "users", Connected: true, Since: ago(3 * time.Minute), State: api.Rejected, StateSince: ago(20 * time.Second),
				Why: "it rejected a change of its listeners and keeps the last one it accepted: cannot bind '0.0.0.0:9211'", Revision: "4bb7819ad4e4",
				Types: map[string]api.TypeStatus{
					"listeners": {Sent: "new", Acknowledged: "old", Rejected: &api.Rejection{Time: ago(20 * time.Second), Version: "new", Message: "cannot bind '0.0.0.0:9211'\n", Origins: []string{"users.yaml:3:9"}}},
					"routes":    {Sent: "two", Acknowledged: "one", Held: []api.Hold{{Since: ago(3 * time.Second), Change: "route users", WaitsFor: []string{"cluster orders"}, Reason: "what it refers to is not acknowledged"}}},
					"clusters":  {Sent: "ccc"},
					"secrets":   {Sent: "eee", Rejected: &api.Rejection{Time: ago(20 * time.Second), Version: "eee", Message: "Invalid path: /etc/none.pem", Origins: []string{"edge.yaml:7:3"}}},
				},
			},
			{Node: "sidecar/users/10.0.0.8:9211", Kind: "envoy", Role: "sidecar", Service: "users", Since: ago(20 * time.Second), State: api.Missing, StateSince: ago(20 * time.Second), Revision: "4bb7819ad4e4", Why: "its instance is registered, but it is not connected"},
			{Node: "sidecar/web-frontend-with-a-long-name/[2001:db8::1234:5678:9abc:def0]:9211", Kind: "envoy", Role: "sidecar", Service: "web-frontend-with-a-long-name", Since: ago(200 * time.Second), State: api.Left, StateSince: ago(200 * time.Second), Revision: "4bb7819ad4e4", Why: "it disconnected"},
		},
	}
}

// quiet is a status without findings.
func quiet() api.Status {
	return api.Status{
		Server: api.Server{Version: "v0.1.0", Started: ago(5 * time.Second)},
		Config: api.Config{Revision: "4bb7819ad4e4", Folder: "mesh"},
	}
}

// TestStatusText compares each form with a golden file; -update rewrites them.
func TestStatusText(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      statusOptions
		status api.Status
		width  int
	}{
		{"empty", statusOptions{}, quiet(), 80},
		{"empty_check", statusOptions{check: true}, quiet(), 80},
		{"troubled", statusOptions{}, troubled(), 80},
		{"troubled_120", statusOptions{}, troubled(), 120},
		{"troubled_wide", statusOptions{output: asWide}, troubled(), 80},
		{"troubled_check", statusOptions{check: true}, troubled(), 80},
		{"troubled_proxy", statusOptions{proxy: "10.0.0.7"}, troubled(), 80},
		{"troubled_missing", statusOptions{proxy: "10.0.0.8"}, troubled(), 80},
		{"troubled_unreachable", statusOptions{proxy: "desk"}, troubled(), 80},
		{"troubled_duplicate", statusOptions{proxy: "edge/public/host1"}, troubled(), 80},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := Invocation{Size: func() (int, int) { return test.width, 0 }}
			test.o.server = "http://127.0.0.1:18001"
			if test.o.proxy != "" {
				var err error
				if test.status, err = only(test.status, test.o.proxy); err != nil {
					t.Fatal(err)
				}
			}
			got := i.statusPage(test.o, test.status, noon).String()
			file := "testdata/status_" + test.name + ".txt"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for line := range strings.Lines(got) {
				if n := utf8.RuneCountInString(line) - 1; n > test.width && test.o.output != asWide {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

// TestStatusNamesOneProxy finds a proxy by a part of its node ID that no other node ID contains.
func TestStatusNamesOneProxy(t *testing.T) {
	for name, want := range map[string]string{
		"sidecar/users/10.0.0.7:9211": "", "10.0.0.8": "", "edge/public": "",
		"sidecar/users": `"sidecar/users" is a part of 2 node IDs`,
		"nobody":        `there is no proxy "nobody"`,
	} {
		_, err := only(troubled(), name)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if _, err := only(quiet(), "nobody"); err == nil {
		t.Error("a mesh without proxies has the proxy nobody")
	}
}

// TestStatusIsNotForged has a proxy whose node ID would clear the screen and add a row.
func TestStatusIsNotForged(t *testing.T) {
	const evil = "sidecar/x\x1b[2J\x1b[H\nsidecar/users/10.0.0.7:9211  3m00s  in sync\u009b2K\u202e"
	s := quiet()
	s.Config.Folder = evil
	s.Config.Problems = []api.Problem{{File: evil, Message: evil, Hint: evil}}
	s.Config.Held = &api.Held{Revision: evil, Removes: []string{evil}}
	s.Findings = []api.Finding{{Kind: api.DocumentsRefused, Subject: evil, Message: evil, Hint: evil}, {Kind: api.DocumentsHeld, Subject: evil}, {Kind: api.ProxyRejected, Subject: evil}}
	s.Proxies = []api.Proxy{{
		Node: evil, Client: evil, Kind: evil, Zone: evil, Service: evil, State: api.ProxyState(evil), Why: evil, Revision: evil, Connected: true,
		Unreachable: []api.Unreachable{{To: evil, Why: evil, Origin: evil}},
		Types:       map[string]api.TypeStatus{evil: {Sent: evil, Acknowledged: "a", Rejected: &api.Rejection{Message: evil, Version: evil, Origins: []string{evil}}, Held: []api.Hold{{Change: evil, Reason: evil, WaitsFor: []string{evil}}}}},
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers := map[string]any{
			"/v1/status":       s,
			"/v1/services":     api.Services{Services: []api.Service{{Name: "users", Owner: evil, Origin: evil, Ports: []api.Port{{Name: evil, Protocol: evil}}, Calls: []api.Call{{To: evil}}}}},
			"/v1/instances":    map[string]any{"instances": []any{map[string]any{"service": evil, "address": "10.0.0.7:80", "state": evil, "zone": evil, "proxy": evil, "tags": map[string]string{evil: evil}}}},
			"/v1/services/bad": httpapi.Error{Error: evil, Hint: evil},
		}
		if answers[r.URL.Path] == nil {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(httpapi.Error{Error: evil, Hint: evil})
			return
		}
		_ = json.NewEncoder(w).Encode(answers[r.URL.Path])
	}))
	defer server.Close()
	for _, args := range []string{"status", "status -o wide", "status --check", "status sidecar", "status -o json", "services", "services users", "services -o json", "instances", "instances -o wide", "instances -o json", "accept a"} {
		_, stdout, stderr := run(t, map[string]string{"DOYEN_SERVER": server.URL}, strings.Fields(args)...)
		if stdout+stderr == "" {
			t.Errorf("%s prints nothing", args)
		}
		for line := range strings.Lines(stdout + stderr) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) || strings.HasPrefix(line, "sidecar/users/") {
				t.Errorf("%s prints %q", args, line)
			}
		}
	}
}

// TestStatusCheck checks that the exit status is 1 if anything is wrong.
func TestStatusCheck(t *testing.T) {
	for status, s := range []api.Status{quiet(), troubled()} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s) }))
		defer server.Close()
		for _, args := range [][]string{{"status", "--check"}, {"status", "--check", "-o", "json"}} {
			if got, stdout, stderr := run(t, nil, append(args, "--server", server.URL)...); got != status || stdout == "" || stderr != "" {
				t.Errorf("%v with %d findings: status %d, standard error %q", args, len(s.Findings), got, stderr)
			}
		}
		if got, _, _ := run(t, nil, "status", "--server", server.URL); got != 0 {
			t.Errorf("without --check: status %d", got)
		}
	}
}

// TestWatch follows a status that changes, a server that stops, and a server of another kind.
func TestWatch(t *testing.T) {
	var out bytes.Buffer
	columns := 80
	w := statusWatch{Invocation: Invocation{Stdout: &out, Size: func() (int, int) { return columns, 40 }}}
	w.screen = terminal.Screen{Out: &out, Size: w.size}
	show := func(s api.Status, err error) string {
		t.Helper()
		out.Reset()
		if err := w.show(statusOptions{}, s, err, noon); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	away := &httpapi.Unreachable{Server: "http://127.0.0.1:18001", Err: errors.New("connection refused")}
	if err := w.show(statusOptions{}, api.Status{}, away, noon); err == nil {
		t.Error("a server that never answered is waited for")
	}
	if text := show(quiet(), nil); !strings.Contains(text, "revision 4bb7819ad4e4 is in force") {
		t.Errorf("first: %q", text)
	}
	if text := show(api.Status{}, away); !strings.Contains(text, "NO ANSWER: server http://127.0.0.1:18001 does not answer: connection refused") || !strings.Contains(text, "revision 4bb7819ad4e4") {
		t.Errorf("without a server: %q", text)
	}
	if err := w.show(statusOptions{}, api.Status{}, errors.New("it is no doyen server"), noon); err == nil {
		t.Error("another server is waited for")
	}
	columns = 0 // no terminal
	if text := show(quiet(), nil); !strings.Contains(text, "revision 4bb7819ad4e4") || strings.Contains(text, "\x1b") {
		t.Errorf("without a terminal: %q", text)
	}
	if text := show(quiet(), nil); text != "" {
		t.Errorf("nothing changed, and it prints %q", text)
	}
	if text := show(api.Status{}, away); !strings.Contains(text, "no answer") || strings.Count(text, "\n") != 1 {
		t.Errorf("without a server and a terminal: %q", text)
	}
}

// TestStatusAsJSON checks that the server's answer is printed unchanged.
func TestStatusAsJSON(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(troubled()) }))
	defer s.Close()
	status, stdout, stderr := run(t, nil, "status", "-o", "json", "--server", s.URL)
	var got api.Status
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || stderr != "" {
		t.Fatalf("status %d, error %v, standard error %q", status, err, stderr)
	}
	if diff := cmp.Diff(troubled(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAnotherServer calls a server that is not a doyen server.
func TestAnotherServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	status, _, stderr := run(t, nil, "status", "--server", s.URL)
	if status != 1 || !strings.Contains(stderr, "is it a doyen server?") {
		t.Errorf("status %d, standard error %q", status, stderr)
	}
}
