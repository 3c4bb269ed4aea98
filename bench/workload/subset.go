package workload

import (
	"math/rand/v2"
	"slices"
)

// Subscription is the sorted indices of the assignments that a client subscribes to: all, or with
// Subset that many, chosen by a generator seeded with the client's number.
func (s Shape) Subscription(client int) []int {
	if s.Subset == 0 {
		all := make([]int, s.Clusters)
		for i := range all {
			all[i] = i
		}
		return all
	}
	random := rand.New(rand.NewPCG(subsetSeed, uint64(client)))
	chosen := random.Perm(s.Clusters)[:s.Subset]
	slices.Sort(chosen)
	return chosen
}

const subsetSeed = 41
