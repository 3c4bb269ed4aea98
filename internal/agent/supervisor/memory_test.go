package supervisor

import (
	"testing"
	"testing/fstest"
)

func TestMaxHeap(t *testing.T) {
	const machine = "MemFree: 1 kB\nMemTotal:       16777216 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing is known": {nil, 0},
		"the machine's":    {map[string]string{"proc/meminfo": machine}, 8 << 30},
		"a group's": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/users.service\n",
			"sys/fs/cgroup/system.slice/users.service/memory.max": "1073741824\n",
		}, 512 << 20},
		"of a group above": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/users.service\n",
			"sys/fs/cgroup/system.slice/users.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "2147483648\n",
		}, 1 << 30},
		"of the group's own root, as in a container": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4294967296\n",
		}, 2 << 30},
		"of the first version": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "7:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/abc\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1073741824\n",
		}, 512 << 20},
		"none, of the first version": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 8 << 30},
		"nonsense": {map[string]string{"proc/meminfo": "MemTotal: much kB\n", "proc/self/cgroup": "::::\n0::../../..\n"}, 0},
	} {
		files := fstest.MapFS{}
		for path, text := range test.files {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := MaxHeap(files); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
