package process

import "runtime"

// Thread is a system thread that starts programs. A program that it starts is killed when the thread ends, and not
// when any other thread does: so such a program outlives execve(2) on this thread, which ends all others (prctl(2),
// PR_SET_PDEATHSIG). Safe for concurrent use.
type Thread struct {
	calls chan func()
}

// NewThread returns a thread on which nothing runs yet.
func NewThread() *Thread { return &Thread{calls: make(chan func())} }

// Run runs main in a goroutine of its own, and makes the caller's thread this one until main returns. It returns what
// main returns. For programs to outlive the replacement of this program, call it from the main thread: that is the one
// thread of the program that follows (so the caller has called runtime.LockOSThread in an init function).
func (t *Thread) Run(main func() int) int {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ended := make(chan int, 1)
	go func() { ended <- main() }()
	for {
		select {
		case call := <-t.calls:
			call()
		case status := <-ended:
			return status
		}
	}
}

// Do calls f on the thread, and returns what it returns. Run must be running.
func (t *Thread) Do(f func() error) error {
	result := make(chan error, 1)
	t.calls <- func() { result <- f() }
	return <-result
}
