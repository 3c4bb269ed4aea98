package config

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

const shop = "../../examples/shop"

func loadShop(t *testing.T) *Snapshot {
	t.Helper()
	s, problems, err := LoadDir(shop)
	if err != nil {
		t.Fatal(err)
	}
	if problems != nil {
		var text bytes.Buffer
		_ = yamldoc.Render(&text, problems, yamldoc.Style{})
		t.Fatal(text.String())
	}
	return s
}

func TestShop(t *testing.T) {
	s := loadShop(t)
	if want := (Counts{Services: 3, Edges: 1, Externals: 1}); s.Counts != want {
		t.Errorf("counts %+v: want %+v", s.Counts, want)
	}
	payments := s.Documents.Services.Get("payments")
	if port, _ := payments.LookupPort(""); port.Protocol != mesh.GRPC || port.Port != 9090 || port.Name != "grpc" {
		t.Errorf("main port of payments %+v", port)
	}
	if want := (mesh.Origin{File: "payments.yaml", Line: 7, Column: 5, Owner: "payments@shop.example"}); payments.Calls[0].Origin != want {
		t.Errorf("origin of the call %v: want %v", payments.Calls[0].Origin, want)
	}
	if port := s.Documents.LocalPort(payments.Calls[0]); port != 15432 {
		t.Errorf("local port of ledger-db is %d", port)
	}
	if https := s.Documents.Edges.Get("public").Listeners[1]; https.Name != "https" || https.Address != "0.0.0.0" {
		t.Errorf("listener %+v", https)
	}
}

// The example's page shows what doyen validate answers.
func TestShopReadme(t *testing.T) {
	text, err := os.ReadFile(shop + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "valid: 3 services, 1 edge, 1 external; revision " + string(loadShop(t).Revision); !strings.Contains(string(text), want) {
		t.Errorf("the page does not show %q", want)
	}
}

// What holds for a call is decided value by value, and each value says by whom.
func TestShopEffective(t *testing.T) {
	docs := loadShop(t).Documents
	users := docs.Services.Get("users")
	e := Resolve(users.Calls[0].Traffic, docs.Services.Get("payments").Traffic, docs.Mesh.Defaults)
	for _, test := range []struct {
		what, got, want string
	}{
		{"timeout, by the caller", e.Timeout.Origin.String(), "users.yaml:9:39"},
		{"retries, by the called", e.Retries.Attempts.Origin.String(), "payments.yaml:9:12"},
		{"requests, by the called", e.CircuitBreaker.Requests.Origin.String(), "payments.yaml:10:30"},
		{"ejection, by the mesh", e.Outliers.EjectFor.Origin.String(), "mesh.yaml:7:24"},
	} {
		if test.got != test.want {
			t.Errorf("%s: decided at %s: want %s", test.what, test.got, test.want)
		}
	}
	if time.Duration(e.Timeout.Value) != time.Second || e.Retries.Attempts.Value != 0 || time.Duration(e.Outliers.EjectFor.Value) != 10*time.Second {
		t.Errorf("effective %+v", e)
	}
	if !e.ConnectTimeout.BuiltIn() || time.Duration(e.ConnectTimeout.Value) != time.Second {
		t.Errorf("connect timeout %+v: want the built-in second", e.ConnectTimeout)
	}
}
