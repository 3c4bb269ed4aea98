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
	next   time.Time // not before
	done   sync.WaitGroup
}

const (
	// costOfResponse is about twice what one response and its ACK cost in CPU time.
	costOfResponse = 40 * time.Microsecond
	maxWindow      = 100 * time.Millisecond
	// fewStreams are handled by one worker.
	fewStreams = 16
)

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
		wait := time.Until(d.next)
		d.mu.Unlock()
		if wait > 0 {
			time.Sleep(wait)
		}
		d.mu.Lock()
		batch := d.ready
		d.ready = nil
		if len(batch) == 0 {
			d.active = false
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		work(batch)
		d.mu.Lock()
		d.next = time.Now().Add(window(len(batch)))
		d.mu.Unlock()
	}
}

// window is how long to wait after a round: so long that rounds take half the machine.
func window(streams int) time.Duration {
	if streams < fewStreams {
		return 0
	}
	return min(time.Duration(streams)*costOfResponse/time.Duration(runtime.GOMAXPROCS(0)), maxWindow)
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
