package registry

import "time"

// Limits of what is remembered about instances that are gone. Delayed calls arrive within seconds. An hour also
// covers proxies that repeat calls, and servers that could not reach the others.
const (
	rememberEnded = time.Hour
	maxEnded      = 1 << 16
)

// remembered keeps the last value of each key for rememberEnded, and at most maxEnded of them. It reads no
// clock and takes no lock.
type remembered[K, V comparable] struct {
	last  map[K]V
	queue []memory[K, V] // oldest first
}

type memory[K, V comparable] struct {
	key    K
	value  V
	forget time.Time
}

func newRemembered[K, V comparable]() remembered[K, V] {
	return remembered[K, V]{last: make(map[K]V)}
}

// put remembers value as the last one of key.
func (r *remembered[K, V]) put(key K, value V, now time.Time) {
	r.last[key] = value
	r.queue = append(r.queue, memory[K, V]{key, value, now.Add(rememberEnded)})
}

// forget drops and returns old values, up to one that is still needed, and those beyond the limit.
func (r *remembered[K, V]) forget(now time.Time, needed func(K) bool) (forgotten []V) {
	for len(r.queue) > maxEnded || len(r.queue) > 0 && !now.Before(r.queue[0].forget) && !needed(r.queue[0].key) {
		oldest := r.queue[0]
		r.queue = r.queue[1:]
		if r.last[oldest.key] == oldest.value {
			delete(r.last, oldest.key)
			forgotten = append(forgotten, oldest.value)
		}
	}
	return forgotten
}
