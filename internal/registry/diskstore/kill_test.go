package diskstore

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	kills        = 100
	callers      = 4
	callersOwn   = 25 // instances of each caller
	longestRound = 25 * time.Millisecond
)

// claim is what one instance may be after a crash: what was answered last, or what was
// asked for since and not answered. A weight of 0 means that it is not there.
type claim struct {
	answered, asked uint32
	open            bool // asked is not answered
}

// caller checks its own instances in and out until the server is gone.
type caller struct {
	random   *rand.Rand
	first    int
	claims   [callersOwn]claim
	answered int
}

func (c *caller) call(server *child) {
	for {
		n := c.random.IntN(callersOwn)
		weight := c.random.Uint32N(registry.MaxWeight + 1)
		if c.random.IntN(3) == 0 {
			weight = 0
		}
		c.claims[n].asked, c.claims[n].open = weight, true
		if ask(server, c.first+n, weight) != nil {
			return
		}
		c.claims[n] = claim{answered: weight}
		c.answered++
	}
}

func ask(server *child, n int, weight uint32) error {
	i := *instance(n, "x").Instance
	if i.Weight = weight; weight == 0 {
		_, err := server.Leave(context.Background(), i.Key, registry.Incarnation{}, 0)
		return err
	}
	_, err := server.CheckIn(context.Background(), i)
	return err
}

// TestKilledAtAnyMoment kills a server that is being called, starts it again and compares
// what it has with what it answered.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]*caller, callers)
	for n := range all {
		all[n] = &caller{random: rand.New(rand.NewPCG(seed, uint64(n+1))), first: 1 + n*callersOwn}
	}
	dir, answered := t.TempDir(), 0
	for round := range kills {
		server := startChild(t, dir)
		compareClaims(t, server, all)
		if t.Failed() {
			t.Fatalf("after kill %d", round)
		}
		var calling sync.WaitGroup
		for _, c := range all {
			calling.Go(func() { c.call(server) })
		}
		time.Sleep(time.Duration(random.Int64N(int64(longestRound)))) // the moment is to be a random one
		server.kill()
		calling.Wait()
		server.forget()
	}
	for _, c := range all {
		answered += c.answered
	}
	t.Logf("%d kills, %d answers", kills, answered)
	if answered < kills/4 {
		t.Errorf("only %d calls were answered: this test tests nothing", answered)
	}
}

// compareClaims checks that the server has what it answered, and settles the claims.
func compareClaims(t *testing.T, server *child, all []*caller) {
	t.Helper()
	listed, err := server.Instances(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	has := make(map[registry.Key]uint32)
	for _, i := range listed.Instances {
		has[registry.Key{Service: i.Service, Address: i.Address}] = i.Weight
	}
	for _, c := range all {
		for n := range c.claims {
			key := instance(c.first+n, "").Key
			got, claimed := has[key], c.claims[n]
			if got != claimed.answered && (!claimed.open || got != claimed.asked) {
				t.Errorf("%v: weight %d, want %+v", key, got, claimed)
			}
			c.claims[n] = claim{answered: got}
			delete(has, key)
		}
	}
	if len(has) > 0 {
		t.Errorf("%d instances are there that nobody checked in", len(has))
	}
}
