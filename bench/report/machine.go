package report

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine is where a run took place.
type Machine struct {
	Processor string
	Cores     int
	MemoryGiB int
	Kernel    string
	Go        string
}

// ThisMachine describes the machine; what cannot be found out is left empty.
func ThisMachine() Machine {
	var memory int
	if text := field("/proc/meminfo", "MemTotal"); text != "" {
		_, _ = fmt.Sscan(text, &memory) // left 0 when it is not a number
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return Machine{
		Processor: field("/proc/cpuinfo", "model name"),
		Cores:     runtime.NumCPU(),
		MemoryGiB: memory >> 20,
		Kernel:    strings.TrimSpace(string(kernel)),
		Go:        runtime.Version(),
	}
}

// Load is the machine's load average over the last minute, 0 when it cannot be found out.
func Load() float64 {
	var load float64
	text, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(text), &load) // left 0 when it is not a number
	return load
}

// field is the value of the first line "key : value" of a file.
func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Commit names the commit of the sources, with a mark when what is measured has changed since.
func Commit() string {
	commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(commit))
	changed, err := exec.Command("git", "status", "--porcelain", "--", ".", "../xds", "../internal", "../cmd").Output()
	if err != nil || len(changed) > 0 {
		return name + " with changes"
	}
	return name
}
