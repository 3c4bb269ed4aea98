package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// The built-in values are an interface: fleets run on them without a word in any document.
func TestBuiltIn(t *testing.T) {
	want := Effective{
		Timeout:        Value[time.Duration]{Value: 15 * time.Second},
		ConnectTimeout: Value[time.Duration]{Value: time.Second},
		Retries: EffectiveRetries{
			Attempts: Value[int]{Value: 2},
			On:       Value[[]string]{Value: []string{"connect-failure", "refused-stream", "reset-before-request"}},
		},
		CircuitBreaker: EffectiveCircuitBreaker{
			Connections:     Value[int]{Value: 1024},
			PendingRequests: Value[int]{Value: 1024},
			Requests:        Value[int]{Value: 1024},
			Retries:         Value[int]{Value: 3},
		},
		Outliers: EffectiveOutliers{
			ConsecutiveErrors: Value[int]{Value: 5},
			Interval:          Value[time.Duration]{Value: time.Second},
			EjectFor:          Value[time.Duration]{Value: 30 * time.Second},
			MaxEjectedPercent: Value[int]{Value: 50},
		},
	}
	if diff := cmp.Diff(want, Resolve()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestResolve(t *testing.T) {
	at := func(file string) mesh.Origin { return mesh.Origin{File: file, Line: 1} }
	attempts := func(n int, file string) Traffic {
		return Traffic{Retries: &Retries{Attempts: &n}, Origins: map[string]mesh.Origin{"retries.attempts": at(file)}}
	}
	on := Traffic{Retries: &Retries{On: []string{"reset"}}, Origins: map[string]mesh.Origin{"retries.on": at("on")}}

	for _, test := range []struct {
		name   string
		layers []Traffic
		want   Value[int]
		wantOn Value[[]string]
	}{
		{"the narrowest place wins", []Traffic{attempts(1, "call"), attempts(2, "service"), attempts(3, "mesh")}, Value[int]{1, at("call")}, Resolve().Retries.On},
		{"what is absent comes from further out", []Traffic{{}, {Retries: &Retries{}}, attempts(3, "mesh")}, Value[int]{3, at("mesh")}, Resolve().Retries.On},
		{"fields of a group are decided one by one", []Traffic{attempts(1, "call"), on}, Value[int]{1, at("call")}, Value[[]string]{[]string{"reset"}, at("on")}},
		{"zero is a value", []Traffic{attempts(0, "call"), attempts(2, "mesh")}, Value[int]{0, at("call")}, Resolve().Retries.On},
		{"nobody says anything", []Traffic{{}, {}}, Value[int]{2, mesh.Origin{}}, Resolve().Retries.On},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Resolve(test.layers...)
			if diff := cmp.Diff(test.want, got.Retries.Attempts); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantOn, got.Retries.On); diff != "" {
				t.Errorf("on (-want +got):\n%s", diff)
			}
		})
	}
}

// Each field of Traffic must be decided: a new one that Resolve forgets would be a wish without effect.
func TestResolveDecidesEveryField(t *testing.T) {
	all := parseOne(t, `
kind: Mesh
name: m
defaults:
  timeout: 3s
  connectTimeout: 3s
  retries: {attempts: 3, on: 5xx, perTryTimeout: 3s}
  circuitBreaker: {connections: 3, pendingRequests: 3, requests: 3, retries: 4}
  outliers: {consecutiveErrors: 3, interval: 3s, ejectFor: 3s, maxEjectedPercent: 3}
`).Documents.Mesh.Defaults
	got := Resolve(all)
	origins := map[mesh.Origin]bool{}
	for _, o := range []mesh.Origin{
		got.Timeout.Origin, got.ConnectTimeout.Origin,
		got.Retries.Attempts.Origin, got.Retries.On.Origin, got.Retries.PerTryTimeout.Origin,
		got.CircuitBreaker.Connections.Origin, got.CircuitBreaker.PendingRequests.Origin, got.CircuitBreaker.Requests.Origin, got.CircuitBreaker.Retries.Origin,
		got.Outliers.ConsecutiveErrors.Origin, got.Outliers.Interval.Origin, got.Outliers.EjectFor.Origin, got.Outliers.MaxEjectedPercent.Origin,
	} {
		origins[o] = true
	}
	for path, o := range all.Origins {
		if !origins[o] {
			t.Errorf("%s is set at %v and decides nothing", path, o)
		}
	}
	if len(origins) != len(all.Origins) {
		t.Errorf("%d values are decided by documents: want %d", len(origins), len(all.Origins))
	}
}

func parseOne(t *testing.T, text string) *Snapshot {
	t.Helper()
	s, problems := Parse(Files{"one.yaml": []byte(text)})
	if problems != nil {
		t.Fatal(problems)
	}
	return s
}
