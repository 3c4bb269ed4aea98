package compare

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
	"github.com/doyen-mesh/doyen/bench/workload"
)

// TestMain lets this test program be the server processes that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == serve.ChildArgument {
		if err := serve.Child(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestEveryServerDeliversEverything runs each server in small, in each variant and shape that is
// compared, with every client's set verified.
func TestEveryServerDeliversEverything(t *testing.T) {
	size := Size{
		Clients: 20, Many: 30, Clusters: 40, OwnClusters: 5, Subset: 8, Singles: 3, PeerSingles: 3,
		Rate: 300 * time.Millisecond, PeerRate: 300 * time.Millisecond, BothCaches: true, Long: true,
	}
	for _, group := range Groups() {
		for _, scenario := range size.Plan(group) {
			t.Run(fmt.Sprintf("%s/%s/%s", group, scenario.Server, scenario.Protocol), func(t *testing.T) {
				scenario.PerConnection = min(scenario.PerConnection, 7)
				result, err := scenario.Run(t.Context(), Options{})
				if err != nil {
					t.Fatal(err)
				}
				if !result.Verified || result.Change.Bytes == 0 || result.Change.P99 <= 0 || result.Sync.CPU <= 0 {
					t.Errorf("figures are missing: %+v", result)
				}
			})
		}
	}
}

func TestJudgeTakesTheBetterCache(t *testing.T) {
	result := func(server string, cpu time.Duration) Result {
		return Result{
			Scenario: Scenario{Group: Shared, Server: server, Protocol: fleet.Delta, Shape: workload.Shape{Clusters: 1}},
			Change:   Change{CPU: cpu}, Verified: true,
		}
	}
	wrong := result(serve.PeerLinear, time.Millisecond)
	wrong.Verified = false
	results := []Result{
		wrong, result(serve.PeerLinear, 160*time.Millisecond), result(serve.PeerSnapshot, 140*time.Millisecond),
		result(serve.DoyenSnapshot, 10*time.Millisecond), result(serve.Floor, 5*time.Millisecond),
	}
	for _, o := range Judge(results) {
		if o.Unit == Milliseconds && o.Ratio == 15 {
			if o.PeerServer != serve.PeerSnapshot || o.Times != 14 || o.Met || o.Floor != 5 {
				t.Errorf("outcome %+v: want 14 times less than the snapshot cache, which is not enough", o)
			}
			return
		}
	}
	t.Error("the target is missing")
}
