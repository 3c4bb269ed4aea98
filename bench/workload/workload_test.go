package workload

import (
	"bytes"
	"testing"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
)

func TestChangedRewritesOnlyTheWeight(t *testing.T) {
	shape := Shape{Clusters: 3, Endpoints: 2}
	before := shape.Assignment(0, 1)
	after := Changed(before, 77)

	var was, is endpointv3.ClusterLoadAssignment
	for body, message := range map[*[]byte]*endpointv3.ClusterLoadAssignment{&before: &was, &after: &is} {
		if err := proto.Unmarshal(*body, message); err != nil {
			t.Fatal(err)
		}
	}
	if got := is.Endpoints[0].LoadBalancingWeight.GetValue(); got != weightBase+77 {
		t.Errorf("weight after change 77 = %d", got)
	}
	is.Endpoints[0].LoadBalancingWeight.Value = weightBase
	if !proto.Equal(&was, &is) {
		t.Errorf("a change touched more than the weight: %v, was %v", &is, &was)
	}
	if sequence, ok := Sequence(after); !ok || sequence != 77 {
		t.Errorf("Sequence = %d, %v", sequence, ok)
	}
	if sequence, ok := Sequence(before); !ok || sequence != 0 || bytes.Equal(before, after) {
		t.Errorf("the original was changed: sequence %d, %v", sequence, ok)
	}
}

func TestChangesGoRound(t *testing.T) {
	for _, shape := range []Shape{{Clusters: 7}, {Clusters: 7, Whole: true}} {
		last := make([]uint32, shape.Clusters)
		count := make([]int, shape.Clusters)
		for sequence := uint32(0); sequence < 40; sequence++ {
			if sequence > 0 {
				targets := shape.Targets(sequence)
				if before := shape.Before(sequence); before != last[targets[0]] {
					t.Errorf("whole %v: Before(%d) = %d, want %d", shape.Whole, sequence, before, last[targets[0]])
				}
				for _, index := range targets {
					last[index] = sequence
					count[index]++
				}
			}
			for index := range shape.Clusters {
				if got := shape.Latest(index, sequence); got != last[index] {
					t.Errorf("whole %v: Latest(%d, %d) = %d, want %d", shape.Whole, index, sequence, got, last[index])
				}
				if got := shape.ChangesUpTo(index, sequence); got != count[index] {
					t.Errorf("whole %v: ChangesUpTo(%d, %d) = %d, want %d", shape.Whole, index, sequence, got, count[index])
				}
			}
		}
	}
}

func TestNamesLeadBackToTheIndex(t *testing.T) {
	for _, shape := range []Shape{{}, {Views: 3}} {
		if got := Index([]byte(shape.Name(2, 123))); got != 123 {
			t.Errorf("Index(%q) = %d", shape.Name(2, 123), got)
		}
	}
	for _, name := range []string{"", "12", "cluster-12x4"} {
		if got := Index([]byte(name)); got != -1 {
			t.Errorf("Index(%q) = %d, want -1", name, got)
		}
	}
}

func TestSubsetsDifferAndStay(t *testing.T) {
	shape := Shape{Clusters: 1000, Subset: 100}
	a, again, b := shape.Subscription(1), shape.Subscription(1), shape.Subscription(2)
	if len(a) != 100 || len(b) != 100 {
		t.Fatalf("subsets of %d and %d", len(a), len(b))
	}
	equal := func(x, y []int) bool {
		for i := range x {
			if x[i] != y[i] {
				return false
			}
		}
		return true
	}
	if !equal(a, again) || equal(a, b) {
		t.Error("a client's subset must be its own, and the same each time")
	}
}
