package xds

import (
	"fmt"
	"testing"
	"time"
)

// A large first sync in delta: the first stream, for which bodies are encoded, and a second one.
func BenchmarkFirstSync(b *testing.B) {
	for _, n := range []int{10_000, 80_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cache := NewLinearCache(ClusterType)
			cache.Put(resourcesOf(ClusterType, numbered("cluster-", n), make([]byte, 1000))...)
			for b.Loop() {
				exchange(b, testSession(cache, true, "1"), &request{typeURL: ClusterType})
			}
		})
	}
}

// All clusters and all their endpoints change in one publication.
func BenchmarkAllChange(b *testing.B) {
	for _, n := range []int{1000, 16_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cache := NewSnapshotCache(SnapshotCacheOptions{})
			names := numbered("service-", n)
			snapshot := func(body string) *Snapshot {
				all := resourcesOf(EndpointType, names, []byte(body))
				for _, name := range names {
					all = append(all, NewResource(ClusterType, name, []byte(body), ResourceOptions{References: []Ref{{EndpointType, name}}}))
				}
				return NewSnapshot(all...)
			}
			snapshots := []*Snapshot{snapshot("1"), snapshot("2")}
			cache.Publish("n", snapshots[0])
			s := testSession(cache, true, "n")
			exchange(b, s, &request{typeURL: ClusterType})
			exchange(b, s, &request{typeURL: EndpointType, names: names})
			for i := 1; b.Loop(); i++ {
				cache.Publish("n", snapshots[i%2])
				exchange(b, s, nil)
			}
		})
	}
}

// A subscription to names of which half do not exist.
func BenchmarkMissingNames(b *testing.B) {
	for _, n := range []int{1000, 32_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cache := NewLinearCache(EndpointType)
			names := numbered("service-", n)
			for i := 0; i < n; i += 2 {
				cache.Put(NewResource(EndpointType, names[i], []byte("1"), ResourceOptions{}))
			}
			for b.Loop() {
				exchange(b, testSession(cache, true, "n"), &request{typeURL: EndpointType, names: names})
			}
		})
	}
}

// A client that comes to need one name after the other, and then no longer needs them.
func BenchmarkNamesOneByOne(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cache := NewLinearCache(ClusterType)
			names := numbered("cluster-", n)
			cache.Put(resourcesOf(ClusterType, names, []byte("1"))...)
			for b.Loop() {
				s := testSession(cache, true, "n")
				for _, name := range names {
					exchange(b, s, &request{typeURL: ClusterType, names: []string{name}})
				}
				for _, name := range names {
					exchange(b, s, &request{typeURL: ClusterType, drop: []string{name}})
				}
			}
		})
	}
}

// xdstp names whose parameters nobody sorted.
func BenchmarkUnsortedNames(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cache := NewLinearCache(EndpointType)
			names := numbered("xdstp://a/t/", n)
			for i := range names {
				names[i] += "?zone=1&env=2"
			}
			cache.Put(resourcesOf(EndpointType, names, []byte("1"))...)
			for b.Loop() {
				exchange(b, testSession(cache, true, "n"), &request{typeURL: EndpointType, names: names})
			}
		})
	}
}

// One change behind a mux that chooses the source by name, as each stream sees it.
func BenchmarkMuxByName(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			large, small := NewLinearCache(ClusterType), NewLinearCache(ClusterType)
			large.Put(resourcesOf(ClusterType, numbered("a", n), []byte("1"))...)
			small.Put(resourcesOf(ClusterType, numbered("b", n), []byte("1"))...)
			s := testSession(twoSources(large, small), true, "n")
			exchange(b, s, &request{typeURL: ClusterType, names: append(numbered("b", n/2), "*")})
			for i := 0; b.Loop(); i++ {
				large.Put(NewResource(ClusterType, "a0000007", fmt.Append(nil, i), ResourceOptions{}))
				exchange(b, s, nil)
			}
		})
	}
}

// How long a first request waits while very many views are published.
func BenchmarkRequestDuringPublishAll(b *testing.B) {
	const views = 10_000
	cache := NewSnapshotCache(SnapshotCacheOptions{})
	names := numbered("c", 100)
	snapshots := [2]map[string]*Snapshot{{}, {}}
	for i := range snapshots {
		s := NewSnapshot(resourcesOf(ClusterType, names, fmt.Append(nil, i))...)
		for v := range views {
			snapshots[i][fmt.Sprint(v)] = s
		}
	}
	cache.PublishAll(snapshots[0])
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				cache.PublishAll(snapshots[i%2])
			}
		}
	}()
	var longest time.Duration
	for b.Loop() {
		start := time.Now()
		cache.poolFor(&Node{ID: "5"}, ClusterType, "")
		longest = max(longest, time.Since(start))
	}
	b.ReportMetric(float64(longest.Microseconds()), "longest-µs")
	close(stop)
	<-stopped
}
