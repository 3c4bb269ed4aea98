package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// disk says what is in the files that secrets name: the body of one that names a file is "file:" and the file's name.
type disk struct {
	mu      sync.Mutex
	files   map[string]*xds.Resource // by name of the file
	changed chan struct{}
}

func namesFile(r *xds.Resource) bool { return strings.HasPrefix(string(r.Body()), "file:") }

// startRelayWithFiles runs a relay and what looks at files for it.
func startRelayWithFiles(t *testing.T, folder, server string) (string, *Relay, *disk, func()) {
	socket, r, stopRelay := startRelayWith(t, Options{Folder: folder, NamesFiles: namesFile}, server)
	d := &disk{files: map[string]*xds.Resource{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			d.provide(ctx, r)
		}
	}()
	stop := sync.OnceFunc(func() {
		stopRelay()
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return socket, r, d, stop
}

// provide provides what there is, and waits for a change.
func (d *disk) provide(ctx context.Context, r *Relay) {
	d.mu.Lock()
	changed := d.changed
	named, more := r.Named()
	contents := map[Key]Content{}
	for _, secret := range named {
		file := strings.TrimPrefix(string(secret.Body()), "file:")
		if contents[KeyOf(secret)] = (Content{Resource: d.files[file]}); d.files[file] == nil {
			contents[KeyOf(secret)] = Content{Problem: fmt.Errorf("there is no file %s", file)}
		}
	}
	d.mu.Unlock()
	r.Provide(contents)
	select {
	case <-changed:
	case <-more:
	case <-ctx.Done():
	}
}

// write makes content that of a file, for the secret of that name.
func (d *disk) write(file, secret, content string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[file] = resource(xds.SecretType, secret, content)
	close(d.changed)
	d.changed = make(chan struct{})
}

// publishSecrets publishes secrets by name.
func (c *control) publishSecrets(node string, bodies map[string]string) {
	var all []*xds.Resource
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		all = append(all, resource(xds.SecretType, name, bodies[name]))
	}
	c.cache.Publish(node, xds.NewSnapshot(all...))
}

// refuses waits until the control plane was told why a secret is rejected.
func (c *control) refuses(node, message string, names ...string) {
	c.t.Helper()
	eventually(c.t, func() error {
		status := c.server.NodeStatus(node)
		if len(status.Streams) != 1 {
			return fmt.Errorf("%d streams", len(status.Streams))
		}
		of := status.Streams[0].Types[xds.SecretType]
		if r := of.Rejected; r == nil || !strings.Contains(r.Message, message) || !slices.Equal(r.Names, names) {
			return fmt.Errorf("the rejection is %+v: want %q of %v", r, message, names)
		}
		return nil
	})
}

// TestContentOfFiles: a client gets the content of files, and new content when there is some. The server, and the copy
// on disk, know the names only.
func TestContentOfFiles(t *testing.T) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			c := newControl(t)
			c.publishSecrets("n", map[string]string{"https": "file:a", "plain": "plain 1"})
			folder := t.TempDir()
			socket, r, files, stop := startRelayWithFiles(t, folder, c.address)
			files.write("a", "https", "https key-1")
			p := startProgram(t, socket, "n", protocol, nil)
			p.Subscribe(xds.SecretType, "https", "plain")
			p.wants(t, "https", "https key-1")
			p.wants(t, "plain", "plain 1")
			c.inSync("n", xds.SecretType)
			sent := c.server.NodeStatus("n").Streams[0].Types[xds.SecretType]
			files.write("a", "https", "https key-2")
			p.wants(t, "https", "https key-2")
			if now := c.server.NodeStatus("n").Streams[0].Types[xds.SecretType]; now.Sent != sent.Sent || !now.InSync {
				t.Errorf("the server has %+v, before %+v: want nothing new", now, sent)
			}
			if named, _ := r.Named(); len(named) != 1 || named[0].Name() != "https" {
				t.Errorf("named are %v", named)
			}
			stop()
			copies, err := filepath.Glob(filepath.Join(folder, "*"+extension))
			if err != nil || len(copies) != 1 {
				t.Fatalf("copies %v, %v", copies, err)
			}
			content, err := os.ReadFile(copies[0])
			if err != nil || !bytes.Contains(content, []byte("file:a")) || bytes.Contains(content, []byte("key-")) {
				t.Errorf("the copy has %q, %v: want the file's name and not its content", content, err)
			}
		})
	}
}

// TestMissingFile: a client is told at once that a secret does not exist whose file does not, and gets it when there is a
// file. The server learns both. Other secrets do not wait.
func TestMissingFile(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a", "other": "file:b", "third": "file:c"})
	socket, r, files, _ := startRelayWithFiles(t, t.TempDir(), c.address)
	files.write("b", "other", "other 1")
	files.write("c", "third", "third 1")
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https", "other", "third")
	p.wants(t, "https", "removed")
	p.wants(t, "other", "other 1")
	p.wants(t, "third", "third 1")
	c.refuses("n", `secret "https": there is no file a`, "https")
	if rejected := r.Status()[0].Rejected[xds.SecretType]; !strings.Contains(rejected, "no file a") {
		t.Errorf("the status says %q", rejected)
	}
	files.write("a", "https", "https 1")
	p.wants(t, "https", "https 1")
	c.inSync("n", xds.SecretType)
	eventually(t, func() error {
		if s := r.Status()[0]; len(s.Rejected) > 0 {
			return fmt.Errorf("the status says %v", s.Rejected)
		}
		return nil
	})
}

// TestOtherFileIsMissing: a client keeps what it has when a secret names another file that is not there.
func TestOtherFileIsMissing(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a"})
	socket, _, files, _ := startRelayWithFiles(t, t.TempDir(), c.address)
	files.write("a", "https", "https 1")
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https")
	c.inSync("n", xds.SecretType)
	c.publishSecrets("n", map[string]string{"https": "file:b"})
	c.refuses("n", "there is no file b", "https")
	files.write("a", "https", "https 2")
	p.wants(t, "https", "https 2")
	files.write("b", "https", "https 3")
	p.wants(t, "https", "https 3")
	c.inSync("n", xds.SecretType)
	files.write("a", "https", "https 4")
	files.write("b", "https", "https 5")
	p.wants(t, "https", "https 5")
}

// TestFilesWithoutAServer: after a restart without a server a client gets the content of files, also of one that is not
// there at first. The server learns of it when it is back.
func TestFilesWithoutAServer(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a", "other": "file:b"})
	folder := t.TempDir()
	socket, _, files, stop := startRelayWithFiles(t, folder, c.address)
	files.write("a", "https", "https 1")
	files.write("b", "other", "other 1")
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https", "other")
	c.inSync("n", xds.SecretType)
	p.stop()
	stop()
	c.stop()

	socket, _, files, _ = startRelayWithFiles(t, folder, c.address)
	files.write("a", "https", "https 2")
	p = startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https", "other")
	p.wants(t, "https", "https 2")
	p.wants(t, "other", "removed")
	files.write("b", "other", "other 2")
	p.wants(t, "other", "other 2")
	c.start()
	c.inSync("n", xds.SecretType)
}

// TestMissingFileWithoutAServer: a file that was missing when its secret came is used when it is there, although the
// server has gone. The secret is in the copy on disk then.
func TestMissingFileWithoutAServer(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a"})
	folder := t.TempDir()
	socket, r, files, stop := startRelayWithFiles(t, folder, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https")
	c.refuses("n", "there is no file a", "https")
	c.stop()
	eventually(t, func() error {
		if s := r.Status()[0]; s.Connected {
			return errors.New("the relay is connected")
		}
		return nil
	})
	files.write("a", "https", "https 1")
	p.wants(t, "https", "https 1")
	eventually(t, func() error {
		if s := r.Status()[0]; !s.Current || s.Resources[xds.SecretType] != 1 || len(s.Rejected) > 0 {
			return fmt.Errorf("the status is %+v", s)
		}
		return nil
	})
	p.stop()
	stop()
	socket, _, files, _ = startRelayWithFiles(t, folder, c.address)
	files.write("a", "https", "https 2")
	p = startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https")
	p.wants(t, "https", "https 2")
	c.start()
	c.inSync("n", xds.SecretType)
}

// TestFileIsMissingAfterARestart: the server learns that a file is not there any more, from a relay that starts again.
func TestFileIsMissingAfterARestart(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a"})
	folder := t.TempDir()
	socket, _, files, stop := startRelayWithFiles(t, folder, c.address)
	files.write("a", "https", "https 1")
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https")
	c.inSync("n", xds.SecretType)
	p.stop()
	stop()

	socket, _, files, _ = startRelayWithFiles(t, folder, c.address)
	p = startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.SecretType, "https")
	p.wants(t, "https", "removed")
	c.refuses("n", "there is no file a", "https")
	files.write("a", "https", "https 2")
	p.wants(t, "https", "https 2")
	c.inSync("n", xds.SecretType)
}

// TestClientRejectsContent: a client rejects content of files, first when a secret is new, then when the content
// changes. It gets the next content all the same.
func TestClientRejectsContent(t *testing.T) {
	c := newControl(t)
	c.publishSecrets("n", map[string]string{"https": "file:a"})
	socket, r, files, _ := startRelayWithFiles(t, t.TempDir(), c.address)
	files.write("a", "https", "bad 1")
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.mu.Lock()
	p.judge = func(u *client.Update) error {
		for _, r := range u.Resources {
			if strings.HasPrefix(string(r.Body.GetValue()), "bad") {
				return errors.New("such a key is not supported")
			}
		}
		return nil
	}
	p.mu.Unlock()
	p.Subscribe(xds.SecretType, "https")
	c.refuses("n", "such a key is not supported", "https")
	files.write("a", "https", "https 2")
	p.wants(t, "https", "https 2")
	c.inSync("n", xds.SecretType)
	files.write("a", "https", "bad 3")
	says := func(want string) {
		t.Helper()
		eventually(t, func() error {
			if got := r.Status()[0].Rejected[xds.SecretType]; got != want {
				return fmt.Errorf("the status says %q: want %q", got, want)
			}
			return nil
		})
	}
	says("such a key is not supported")
	p.wants(t, "https", "https 2")
	files.write("a", "https", "https 4")
	p.wants(t, "https", "https 4")
	says("")
}
