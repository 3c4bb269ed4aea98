package sources

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const one = "services: [{name: users, instances: ['10.0.0.1:80']}]\n"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// logged is a log that a test reads while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns what was logged since it was called last.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// TestFileIsFollowed checks that a change is taken once the file has stayed as it is for a second, and that a mistake
// is reported with its place and changes nothing.
func TestFileIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "instances.yaml")
		write(t, path, one)
		var log logged
		f, err := OpenFile(path, filepath.Join(dir, "kept"), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		s := &source{}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.Run(ctx, s.set) })
		defer running.Wait()
		defer cancel()
		s.expect(t, "users 10.0.0.1:80")

		write(t, path, "services: [{name: users, instances: ['10.0.0.1:80', '10.0.0.2:80']}]\n")
		time.Sleep(1500 * time.Millisecond)
		s.expect(t, "users 10.0.0.1:80")
		time.Sleep(time.Second)
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")

		for _, mistake := range []string{"services: [{name: users, instances: ['10.0.0.300:80']}]", "", "services: [{name"} {
			write(t, path, mistake)
			time.Sleep(5 * time.Second)
			s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
			if text := log.take(); !strings.Contains(text, "instances.yaml:") {
				t.Errorf("%q: the log does not say where the mistake is: %s", mistake, text)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		write(t, path, "{}\n")
		time.Sleep(5 * time.Second)
		s.expect(t)
	})
}

// TestFileAtStart checks that a server does not start with a file that is not valid, unless it had a valid one before:
// then it begins with that.
func TestFileAtStart(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "instances.yaml"), filepath.Join(dir, "kept")
	log := slog.New(slog.DiscardHandler)
	if _, err := OpenFile(path, kept, log); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("got %v", err)
	}
	write(t, path, "services: [{name: 7up}]")
	var invalid *InvalidError
	if _, err := OpenFile(path, kept, log); !errors.As(err, &invalid) || invalid.Problems[0].Origin.Line != 1 {
		t.Errorf("got %v: want the problem with its line", err)
	}
	write(t, path, one)
	if _, err := OpenFile(path, kept, log); err != nil {
		t.Error(err)
	}
	write(t, path, "services: [{name: 7up}]")
	f, err := OpenFile(path, kept, log)
	if err != nil || len(f.current.instances) != 1 {
		t.Fatalf("got %+v, %v: want what was valid before", f, err)
	}
	if r := f.Refused(); r == nil || !strings.Contains(r.Reason, "instances.yaml") {
		t.Errorf("refused %+v: want the reason", r)
	}
}

// TestMassRemovalFromFileIsHeld checks that content without most of the entries is in force only after it has stayed for
// as long as a lease, also over a restart, and at once when the entries are there again.
func TestMassRemovalFromFileIsHeld(t *testing.T) {
	const four = "services: [{name: users, instances: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80', {dns: users.example.com, port: 80}]}]\n"
	all := []string{"users 10.0.0.1:80", "users 10.0.0.2:80", "users 10.0.0.3:80"}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path, kept := filepath.Join(dir, "instances.yaml"), filepath.Join(dir, "kept")
		write(t, path, four)
		log := slog.New(slog.DiscardHandler)
		f, err := OpenFile(path, kept, log)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, one)
		if restarted, err := OpenFile(path, kept, log); err != nil || len(restarted.current.instances) != 3 || restarted.Refused() == nil {
			t.Errorf("after a restart: %+v, %v: want what was in force before", restarted, err)
		}
		s := &source{}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.Run(ctx, s.set) })
		defer running.Wait()
		defer cancel()

		time.Sleep(absenceDoubt - time.Minute)
		s.expect(t, all...)
		if r := f.Refused(); r == nil || !strings.Contains(r.Reason, "lacks 3 of the 4 entries") {
			t.Errorf("refused %+v: want what it lacks", r)
		}
		write(t, path, four)
		time.Sleep(5 * time.Second)
		s.expect(t, all...)
		if r := f.Refused(); r != nil {
			t.Errorf("refused: %+v, though nothing is missing any more", r)
		}
		write(t, path, one)
		time.Sleep(absenceDoubt - time.Minute)
		s.expect(t, all...)
		time.Sleep(2 * time.Minute)
		s.expect(t, "users 10.0.0.1:80")
		if r := f.Refused(); r != nil {
			t.Errorf("refused: %+v, though it is in force", r)
		}
	})
}
