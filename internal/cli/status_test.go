package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// noon is when the statuses of these tests are looked at.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// troubled is a status with one of everything that a person must be told of.
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
				{File: "."},
			},
			Held: &api.Held{Revision: "9d41c07e55aa", Reason: "it would remove 7 of 9 services", Removes: []string{"service a", "service b", "service c", "service d", "service e", "service f", "service g"}},
		},
		Expiry: []api.Doubt{{Service: "users", Instances: []string{"10.0.0.7:9211", "10.0.0.8:9211", "10.0.0.9:9211"}, Of: 4, Since: ago(90 * time.Second), Until: noon.Add(28 * time.Minute)}},
		Proxies: []api.Proxy{
			{
				Node: "edge/public/host1", Kind: "envoy", Connected: true, Since: ago(time.Hour), InSync: true, Revision: "4bb7819ad4e4",
				Types: map[string]api.TypeStatus{"listeners": same("aaa"), "routes": same("bbb"), "clusters": same("ccc"), "endpoints": same("ddd"), "secrets": same("eee")},
			},
			{
				Node: "sidecar/users/10.0.0.7:9211", Kind: "envoy", Connected: true, Since: ago(3 * time.Minute), Why: "it refused listeners", Revision: "4bb7819ad4e4",
				Types: map[string]api.TypeStatus{
					"listeners": {Sent: "new", Acknowledged: "old", Rejected: &api.Rejection{Time: ago(20 * time.Second), Version: "new", Message: "cannot bind '0.0.0.0:9211'\n", Origins: []string{"users.yaml:3:9"}}},
					"routes":    {Sent: "two", Acknowledged: "one", Held: []api.Hold{{Since: ago(3 * time.Second), Change: "route users", WaitsFor: []string{"cluster orders"}, Reason: "what it refers to is not acknowledged"}}},
					"clusters":  {Sent: "ccc"},
					"secrets":   {Sent: "eee", Rejected: &api.Rejection{Time: ago(20 * time.Second), Version: "eee", Message: "Invalid path: /etc/none.pem", Origins: []string{"edge.yaml:7:3"}}},
				},
			},
			{Node: "sidecar/users/10.0.0.8:9211", Kind: "envoy", Since: ago(20 * time.Second), Revision: "4bb7819ad4e4"},
		},
	}
}

// TestStatusInWords compares the report with what a person read and found good. -update writes it again.
func TestStatusInWords(t *testing.T) {
	for name, status := range map[string]api.Status{
		"troubled": troubled(),
		"empty": {
			Server: api.Server{Version: "v0.1.0", Started: ago(5 * time.Second)},
			Config: api.Config{Revision: "4bb7819ad4e4", Folder: "mesh"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := statusReport{Status: status, address: "http://127.0.0.1:18001", now: noon}.String()
			file := "testdata/status_" + name + ".txt"
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
		})
	}
}

// TestStatusAsJSON passes on what the server says.
func TestStatusAsJSON(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(troubled()) }))
	defer s.Close()
	status, stdout, stderr := run(t, nil, "status", "--json", "--server", s.URL)
	var got api.Status
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != 0 || stderr != "" {
		t.Fatalf("status %d, error %v, standard error %q", status, err, stderr)
	}
	if diff := cmp.Diff(troubled(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAnotherServer asks something that is no doyen server.
func TestAnotherServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	status, _, stderr := run(t, nil, "status", "--server", s.URL)
	if status != 1 || !strings.Contains(stderr, "is it a doyen server?") {
		t.Errorf("status %d, standard error %q", status, stderr)
	}
}
