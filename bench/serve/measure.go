package serve

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// measure collects garbage twice, so that what finalizers and pools held is gone, and measures.
func measure() (Memory, error) {
	rss, err := RSS(os.Getpid())
	if err != nil {
		return Memory{}, err
	}
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return Memory{
		RSS: rss, Heap: int64(stats.HeapAlloc), Stacks: int64(stats.StackInuse),
		Goroutines: runtime.NumGoroutine(),
	}, nil
}

// RSS is the resident memory of a process in bytes.
func RSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(status, []byte("VmRSS:"))
	if !found {
		return 0, fmt.Errorf("process %d: no resident memory in its status", pid)
	}
	var kib int64
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		return 0, fmt.Errorf("process %d: resident memory: %w", pid, err)
	}
	return kib << 10, nil
}

// profiling is a CPU profile that may be under way.
type profiling struct{ cpu *os.File }

// toggle begins a profile, or ends it and writes path.cpu and path.heap.
func (p *profiling) toggle(path string) (err error) {
	if p.cpu == nil {
		if p.cpu, err = os.Create(path + ".cpu"); err != nil {
			return err
		}
		return pprof.StartCPUProfile(p.cpu)
	}
	pprof.StopCPUProfile()
	err = p.cpu.Close()
	p.cpu = nil
	if err != nil {
		return err
	}
	heap, err := os.Create(path + ".heap")
	if err != nil {
		return err
	}
	if err := pprof.Lookup("heap").WriteTo(heap, 0); err != nil {
		return err
	}
	return heap.Close()
}
