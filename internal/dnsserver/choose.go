package dnsserver

import (
	"math/rand/v2"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// choose returns up to limit instances that take traffic and that accept accepts, in random order. Those are the
// healthy ones. While the service has none, they are the unhealthy ones, as for proxies: the health check is then a
// more likely cause than the instances.
//
// It looks at instances until it has enough, so the usual answer costs the same however many instances there are.
func choose(instances []*registry.Instance, limit int, accept func(*registry.Instance) bool) []*registry.Instance {
	var healthy, unhealthy []*registry.Instance
	anyHealthy := false
	for i := range shuffled(len(instances)) {
		i := instances[i]
		switch state, _ := i.Condition(); state {
		case registry.Healthy:
			anyHealthy = true
			if accept(i) {
				healthy = append(healthy, i)
			}
		case registry.Unhealthy:
			if len(unhealthy) < limit && accept(i) {
				unhealthy = append(unhealthy, i)
			}
		}
		if len(healthy) == limit {
			break
		}
	}
	if anyHealthy {
		return healthy
	}
	return unhealthy
}

// shuffled yields 0 to n-1 from a random one on with a random stride, so that each of them is equally likely to be
// among the first, without a table of all.
func shuffled(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if n == 0 {
			return
		}
		at, stride := rand.IntN(n), 1+rand.IntN(n)
		for divisor(n, stride) != 1 {
			stride = 1 + rand.IntN(n)
		}
		for range n {
			if !yield(at) {
				return
			}
			at = (at + stride) % n
		}
	}
}

// divisor returns the greatest common divisor.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
