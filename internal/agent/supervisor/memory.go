package supervisor

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// defaultShare is the part of this machine's memory, or of what the agent's control group may use, that Envoy may use:
// one half. The application has the other.
const defaultShare = 2

// MaxHeap returns how much memory an Envoy may use if nobody says otherwise, in bytes; 0 if it is not known. root is the root of
// the file system. The limit is the lowest one of the control groups of this process, or the memory of the machine.
func MaxHeap(root fs.FS) uint64 {
	limit := machineMemory(root)
	for _, group := range controlGroups(root) {
		if of := groupLimit(root, group); of > 0 && (limit == 0 || of < limit) {
			limit = of
		}
	}
	return limit / defaultShare
}

// controlGroups are the folders with the memory limits of this process (cgroups(7)): of version 2, and of version 1.
func controlGroups(root fs.FS) []string {
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // without it there are none
	var folders []string
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		switch {
		case id == "0" && controllers == "":
			folders = append(folders, path.Join("sys/fs/cgroup", path.Clean("/"+group)))
		case strings.Contains(","+controllers+",", ",memory,"):
			folders = append(folders, path.Join("sys/fs/cgroup/memory", path.Clean("/"+group)))
		}
	}
	return folders
}

// groupLimit is the lowest limit of a group and those above it, in bytes; 0 for none.
func groupLimit(root fs.FS, folder string) (lowest uint64) {
	for ; strings.HasPrefix(folder, "sys/fs/cgroup"); folder = path.Dir(folder) {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			text, err := fs.ReadFile(root, path.Join(folder, name))
			if err != nil {
				continue
			}
			if n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64); err == nil && (lowest == 0 || n < lowest) {
				lowest = n // "max" is no number
			}
		}
	}
	return lowest
}

// machineMemory is the memory of this machine, in bytes; 0 if it is not known.
func machineMemory(root fs.FS) uint64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kilobytes, _ := strconv.ParseUint(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
