package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMetrics checks that the metrics of documents and instances have the right values and follow changes.
func TestMetrics(t *testing.T) {
	o := options(t, users)
	address := run(t, o)
	for _, instance := range []string{"users/10.0.0.7:8080", "users/10.0.0.8:8080", "mail/10.0.0.9:2525"} {
		body := `{}`
		if strings.HasPrefix(instance, "mail") {
			body = `{"state": "draining"}`
		}
		if code, answer := call(t, http.MethodPut, "http://"+address+"/v1/instances/"+instance, body, jsonHeader); code != http.StatusCreated {
			t.Fatalf("%d %s", code, answer)
		}
	}
	expectMetrics(t, address,
		`doyen_instances{state="healthy"} 2`,
		`doyen_instances{state="draining"} 1`,
		`doyen_instances{state="starting"} 0`,
		`doyen_instances{state="disconnected"} 0`,
		`doyen_services_with_instances 2`,
		`doyen_expiry_paused_instances 0`,
		`doyen_expiry_resume_seconds 0`,
		`doyen_document_problems 0`,
		`doyen_documents_held 0`,
		`doyen_documents_unreadable 0`,
		`doyen_views_behind 0`,
		`xds_nodes 0`,
	)
	before := revision(t, address)

	write := func(text string) {
		if err := os.WriteFile(filepath.Join(o.Config, "users.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(users, "8080", "no port", 1))
	expectMetrics(t, address, `doyen_document_problems 1`)
	if now := revision(t, address); now != before {
		t.Errorf("a broken folder changed the revision from %s to %s", before, now)
	}
	write(strings.Replace(users, "8080", "8081", 1))
	expectMetrics(t, address, `doyen_document_problems 0`)
	if now := revision(t, address); now == before {
		t.Errorf("the revision is still %s", now)
	}
}

// expectMetrics waits until all lines are on the page.
func expectMetrics(t *testing.T, address string, want ...string) {
	t.Helper()
	var page string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, page = call(t, http.MethodGet, "http://"+address+"/metrics", "", nil)
		missing := 0
		for _, line := range want {
			if !strings.Contains(page, "\n"+line+"\n") {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	t.Fatalf("want\n%s\nthere is\n%s", strings.Join(want, "\n"), page)
}

// revision returns the revision in force.
func revision(t *testing.T, address string) string {
	t.Helper()
	_, page := call(t, http.MethodGet, "http://"+address+"/metrics", "", nil)
	_, after, found := strings.Cut(page, `doyen_revision_info{revision="`)
	name, _, _ := strings.Cut(after, `"`)
	if !found || name == "" {
		t.Fatalf("there is no revision on\n%s", page)
	}
	return name
}
