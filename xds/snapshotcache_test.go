package xds

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// While one view is being published, requests and publications of others go on.
func TestViewsDoNotWaitForEachOther(t *testing.T) {
	cache := NewSnapshotCache(SnapshotCacheOptions{})
	snapshot := func(body string) *Snapshot {
		return NewSnapshot(NewResource(ClusterType, "c", []byte(body), ResourceOptions{}))
	}
	cache.Publish("slow", snapshot("1"))
	slow := cache.poolFor(&Node{ID: "slow"}, ClusterType, "")
	slow.mu.RLock() // now its publication takes long
	next := snapshot("2")
	var all sync.WaitGroup
	all.Go(func() { cache.PublishAll(map[string]*Snapshot{"slow": next}) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for cache.Snapshot("slow") != next {
			time.Sleep(time.Millisecond)
		}
		cache.Publish("other", snapshot("1"))
		s := testSession(cache, true, "other")
		exchange(t, s, &request{typeURL: ClusterType})
		s.close()
		cache.Remove("other")
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("another view waits for the publication")
	}
	slow.mu.RUnlock()
	all.Wait()
	<-done
}

// Whatever publications, removals and subscriptions of a view come at once, in the end its pool
// has what the cache says, and views without snapshots and streams are forgotten.
func TestConcurrentPublications(t *testing.T) {
	cache := NewSnapshotCache(SnapshotCacheOptions{})
	const views, publishers = 3, 4
	name := func(random *rand.Rand) string { return fmt.Sprint(random.IntN(views)) }
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(p), 7))
			for step := range 200 {
				switch random.IntN(4) {
				case 0:
					cache.Remove(name(random))
				case 1:
					s := testSession(cache, true, name(random))
					if err := s.receive(time.Unix(0, 0), &request{typeURL: ClusterType, delta: true}); err != nil {
						t.Error(err)
					}
					s.close()
				default:
					cache.Publish(name(random), NewSnapshot(NewResource(ClusterType, "c", fmt.Append(nil, p, step), ResourceOptions{})))
				}
			}
		})
	}
	all.Wait()
	for v := range views {
		id := fmt.Sprint(v)
		want := cache.Snapshot(id)
		s := testSession(cache, true, id)
		responses := exchange(t, s, &request{typeURL: ClusterType})
		switch {
		case want == nil && len(responses) > 0:
			t.Errorf("view %s has no snapshot and is served", id)
		case want != nil && len(responses) == 0:
			t.Errorf("view %s has a snapshot and is not served", id)
		case want != nil && s.watch(ClusterType).want.get("c") != want.Get(Ref{ClusterType, "c"}):
			t.Errorf("view %s is not served its snapshot", id)
		}
		s.close()
		cache.Remove(id)
	}
	if len(cache.views) > 0 {
		t.Errorf("%d views are remembered", len(cache.views))
	}
}
