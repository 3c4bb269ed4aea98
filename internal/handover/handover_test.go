//go:build linux

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReceive: a program gets what was offered, as files that its children do not inherit.
func TestReceive(t *testing.T) {
	given, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := given.WriteString("given"); err != nil {
		t.Fatal(err)
	}
	copied, err := unix.Dup(int(given.Fd())) // as execve(2) would leave it
	if err != nil {
		t.Fatal(err)
	}
	given.Close()
	offer := Offer{Content: map[string]int{"pid": 7}, Files: map[string]*os.File{"log": os.NewFile(uintptr(copied), "log")}, Stopping: true}
	file, err := offer.write()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	number, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(Variable, fmt.Sprint(number))
	r, err := Receive()
	if err != nil {
		t.Fatal(err)
	}
	if _, set := os.LookupEnv(Variable); set {
		t.Error("the variable is still set: programs would inherit it")
	}
	var content struct{ PID int }
	if err := json.Unmarshal(r.Content, &content); err != nil || content.PID != 7 || !r.Stopping {
		t.Errorf("%s, %v, %v", r.Content, r.Stopping, err)
	}
	log, err := r.Take("log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if flags, err := unix.FcntlInt(log.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %d, %v: programs would inherit the file", flags, err)
	}
	text := make([]byte, 10)
	if n, _ := log.ReadAt(text, 0); string(text[:n]) != "given" {
		t.Errorf("the file has %q", text[:n])
	}
	if _, err := r.Take("log"); err == nil {
		t.Error("a file was taken twice")
	}
}

// TestReceiveRefuses: what is no handover is an error, so that nobody starts as if nothing were running.
func TestReceiveRefuses(t *testing.T) {
	for text, why := range map[string]string{
		`{"format": 99}`: "format 99, want 1",
		`nonsense`:       "invalid character",
		`{"format": 1, "files": {"lock": 99999}}`: "lock: descriptor 99999",
	} {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		number, err := unix.Dup(int(file.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		t.Setenv(Variable, fmt.Sprint(number))
		if _, err := Receive(); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", text, err, why)
		}
	}
	for _, descriptor := range []string{"x", "-1", "0", "99999"} {
		t.Setenv(Variable, descriptor)
		if _, err := Receive(); err == nil {
			t.Errorf("%q was accepted", descriptor)
		}
	}
	t.Setenv(Variable, "")
	if r, err := Receive(); r != nil || err != nil {
		t.Errorf("%v, %v: want nothing", r, err)
	}
}

// TestReplacedFile: a file that came after the one that was asked is not executed.
func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doyen")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	file, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	p := Program{Path: path, file: file}
	if err := p.isSame(); err != nil {
		t.Error(err)
	}
	write("other")
	if err := p.isSame(); err == nil {
		t.Error("another file was taken for the one that was asked")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := p.isSame(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
