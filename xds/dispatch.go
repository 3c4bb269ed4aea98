package xds

import (
	"runtime"
	"sync"
	"time"
)

// A dispatcher hands streams that have something to send to a few workers. When idle it has
// no goroutine and works at once; under load it waits between rounds, so that several changes
// go in one response.
type dispatcher struct {
	mu     sync.Mutex
	ready  []*stream
	active bool
	pace   pace // of the one goroutine that runs
	done   sync.WaitGroup
}

// wakeAll wakes everybody, the streams of a server in one go, so that they are one round.
func wakeAll(watchers []waker) {
	rounds := map[*dispatcher][]*stream{}
	for _, w := range watchers {
		st, isStream := w.(*stream)
		switch {
		case !isStream:
			w.wake()
		case st.woken.CompareAndSwap(false, true):
			d := &st.server.dispatch
			rounds[d] = append(rounds[d], st)
		}
	}
	for d, streams := range rounds {
		d.add(streams...)
	}
}

// wakeFirst is wakeAll for a few streams that do not wait for the rounds of others: they have a dispatcher of their
// own, which begins to wait between rounds when it has much to do itself. A stream may be queued at both.
func wakeFirst(watchers []waker) {
	rounds := map[*dispatcher][]*stream{}
	for _, w := range watchers {
		st, isStream := w.(*stream)
		if !isStream {
			w.wake()
			continue
		}
		st.woken.Store(true)
		if st.first.CompareAndSwap(false, true) {
			d := &st.server.dispatchFirst
			rounds[d] = append(rounds[d], st)
		}
	}
	for d, streams := range rounds {
		d.add(streams...)
	}
}

// add queues streams. It never blocks.
func (d *dispatcher) add(streams ...*stream) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = append(d.ready, streams...)
	if !d.active {
		d.active = true
		d.done.Add(1)
		go d.run()
	}
}

func (d *dispatcher) run() {
	defer d.done.Done()
	for {
		d.mu.Lock()
		if d.active = len(d.ready) > 0; !d.active {
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		if wait := d.pace.wait(time.Now(), cpuTime); wait > 0 {
			time.Sleep(wait)
			continue
		}
		d.mu.Lock()
		batch := d.ready
		d.ready = nil
		d.mu.Unlock()
		d.pace.begin(time.Now(), len(batch), cpuTime)
		work(batch)
		d.pace.end = time.Now()
	}
}

// work lets each stream of a batch send, without waiting for clients.
func work(batch []*stream) {
	workers := min(runtime.GOMAXPROCS(0), len(batch)/fewStreams+1)
	size := (len(batch) + workers - 1) / workers
	var all sync.WaitGroup
	for i := 1; i < workers; i++ {
		part := batch[min(i*size, len(batch)):min((i+1)*size, len(batch))]
		all.Go(func() { push(part) })
	}
	push(batch[:min(size, len(batch))])
	all.Wait()
}

func push(streams []*stream) {
	for _, st := range streams {
		st.push(false)
	}
}

// wait returns when nothing is being sent any more.
func (d *dispatcher) wait() { d.done.Wait() }
