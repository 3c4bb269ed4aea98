//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMaxFiles: a program whose command says so may open as many files as its hard limit says, although its parent may
// not.
func TestMaxFiles(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "ulimit -Sn 64; exec "+os.Args[0])
	cmd.Env = append(os.Environ(), testApp+"=starter")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "true" {
		t.Errorf("%s, %v", out, err)
	}
}

// starter starts a program with MaxFiles and says whether it has the hard limit.
func starter() int {
	p, err := Start(Command{Path: os.Args[0], Env: append(os.Environ(), testApp+"=stubborn"), MaxFiles: true})
	if err != nil {
		return report(err)
	}
	defer p.Kill()
	var limit unix.Rlimit
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return report(err)
	}
	fmt.Println(limit.Cur == limit.Max && limit.Max > 64)
	return 0
}
