package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/relay"
	"github.com/doyen-mesh/doyen/xds"
)

// scene is one secret that names files, and the looks at them.
type scene struct {
	t       *testing.T
	log     *bytes.Buffer
	secrets *Secrets
	key     relay.Key
	now     time.Time
}

func newScene(t *testing.T, r *xds.Resource) *scene {
	log := &bytes.Buffer{}
	s := &scene{t: t, log: log, secrets: New(nil, slog.New(slog.NewTextHandler(log, nil))), key: relay.KeyOf(r), now: time.Now()}
	s.secrets.keep([]*xds.Resource{r})
	return s
}

// look looks once, and says whether anything is known.
func (s *scene) look() (relay.Content, bool) {
	s.now = s.now.Add(interval)
	content, known := s.secrets.look(s.now)[s.key]
	return content, known
}

// settle looks until what has changed is used.
func (s *scene) settle() relay.Content {
	s.t.Helper()
	s.look()
	content, known := s.look()
	if !known {
		s.t.Fatal("nothing is known after two looks at files that do not change")
	}
	return content
}

// uses wants the next looks to find a certificate to use, without a problem.
func (s *scene) uses(c certificate) {
	s.t.Helper()
	content := s.settle()
	if content.Problem != nil {
		s.t.Errorf("the problem is %v: want none", content.Problem)
	}
	s.serves(content, c)
}

func (s *scene) serves(content relay.Content, c certificate) {
	s.t.Helper()
	if content.Resource == nil {
		s.t.Fatalf("there is nothing to use: %v", content.Problem)
	}
	var m tlsv3.Secret
	if err := proto.Unmarshal(content.Resource.Body(), &m); err != nil {
		s.t.Fatal(err)
	}
	chain, key := m.GetTlsCertificate().GetCertificateChain(), m.GetTlsCertificate().GetPrivateKey()
	if m.GetName() != s.key.Name || content.Resource.Name() != s.key.Name || !bytes.Equal(chain.GetInlineBytes(), c.chain) || !bytes.Equal(key.GetInlineBytes(), c.key) {
		s.t.Error("what is used is another certificate or key")
	}
}

// keeps wants the next looks to find a problem, and the certificate that was used before to stay.
func (s *scene) keeps(c certificate, problem string) {
	s.t.Helper()
	content := s.settle()
	s.hasProblem(content, problem)
	s.serves(content, c)
}

// hasNone wants the next looks to find a problem and nothing to use.
func (s *scene) hasNone(problem string) {
	s.t.Helper()
	content := s.settle()
	s.hasProblem(content, problem)
	if content.Resource != nil {
		s.t.Error("something is used")
	}
}

func (s *scene) hasProblem(content relay.Content, problem string) {
	s.t.Helper()
	if content.Problem == nil || !strings.Contains(content.Problem.Error(), problem) {
		s.t.Errorf("the problem is %v: want %q", content.Problem, problem)
	}
}

// TestReplacement replaces a certificate in each of the usual ways.
func TestReplacement(t *testing.T) {
	one, two := newCertificate(t), newCertificate(t)
	for name, replace := range map[string]func(t *testing.T, folder string){
		"moved": func(t *testing.T, folder string) {
			move(t, folder, "shop.key", two.key)
			move(t, folder, "shop.pem", two.chain)
		},
		"in place": func(t *testing.T, folder string) { two.write(t, folder) },
		"removed and made": func(t *testing.T, folder string) {
			for _, file := range []string{"shop.pem", "shop.key"} {
				if err := os.Remove(filepath.Join(folder, file)); err != nil {
					t.Fatal(err)
				}
			}
			two.write(t, folder)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			one.write(t, folder)
			s := newScene(t, pairIn(t, folder))
			s.uses(one)
			replace(t, folder)
			s.uses(two)
			if strings.Contains(s.log.String(), "problem") {
				t.Errorf("the log says\n%s", s.log)
			}
		})
	}
}

// move replaces a file by another one that was complete before.
func move(t *testing.T, folder, name string, content []byte) {
	t.Helper()
	write(t, filepath.Join(folder, name+"~"), content)
	if err := os.Rename(filepath.Join(folder, name+"~"), filepath.Join(folder, name)); err != nil {
		t.Fatal(err)
	}
}

// TestLinkedFolder replaces a link to a folder with both files, behind a link for each, as Kubernetes mounts secrets.
func TestLinkedFolder(t *testing.T) {
	one, two := newCertificate(t), newCertificate(t)
	folder := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := errors.Join(os.Symlink(target, filepath.Join(folder, name+"~")), os.Rename(filepath.Join(folder, name+"~"), filepath.Join(folder, name))); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]certificate{"..1": one, "..2": two} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
		c.write(t, filepath.Join(folder, name))
	}
	link("..1", "..data")
	link("..data/shop.pem", "shop.pem")
	link("..data/shop.key", "shop.key")
	s := newScene(t, pairIn(t, folder))
	s.uses(one)
	link("..2", "..data")
	s.uses(two)
	if err := os.RemoveAll(filepath.Join(folder, "..1")); err != nil {
		t.Fatal(err)
	}
	s.uses(two)
}

// TestFileByFile replaces a pair one file after the other, with any pause between them, and each file in two parts.
func TestFileByFile(t *testing.T) {
	one, two := newCertificate(t), newCertificate(t)
	folder := t.TempDir()
	one.write(t, folder)
	s := newScene(t, pairIn(t, folder))
	s.uses(one)
	chain, key := filepath.Join(folder, "shop.pem"), filepath.Join(folder, "shop.key")
	write(t, key, nil)
	s.keeps(one, "shop.key: it has no private key")
	write(t, key, two.key[:len(two.key)/2])
	s.keeps(one, "shop.key: it is cut off")
	write(t, key, two.key)
	s.keeps(one, "does not fit")
	write(t, chain, two.chain[:len(two.chain)-3])
	s.keeps(one, "shop.pem: it is cut off")
	write(t, chain, two.chain)
	s.uses(two)
	if !strings.Contains(s.log.String(), "what was used before stays in use") || !strings.Contains(s.log.String(), "are good again") {
		t.Errorf("the log says\n%s", s.log)
	}
}

// TestFileBeingWritten has a file that changes at each look: it is not read before it is the same at two looks.
func TestFileBeingWritten(t *testing.T) {
	one, two := newCertificate(t), newCertificate(t)
	folder := t.TempDir()
	one.write(t, folder)
	s := newScene(t, pairIn(t, folder))
	if _, known := s.look(); known {
		t.Error("a file that was written just now was read at once")
	}
	s.uses(one)
	chain := filepath.Join(folder, "shop.pem")
	write(t, filepath.Join(folder, "shop.key"), two.key)
	for i := range 5 {
		write(t, chain, append(bytes.Repeat(two.chain, i), two.chain...)) // whole, at each look, but not the end of it
		if content, _ := s.look(); content.Problem != nil {
			t.Errorf("a file that is being written was read: %v", content.Problem)
		}
	}
	content := s.settle()
	if content.Problem != nil {
		t.Error(content.Problem)
	}
}

// TestOldFileIsReadAtOnce: what was written long ago is not waited for.
func TestOldFileIsReadAtOnce(t *testing.T) {
	folder := t.TempDir()
	newCertificate(t).write(t, folder)
	for _, name := range []string{"shop.pem", "shop.key"} {
		if err := os.Chtimes(filepath.Join(folder, name), time.Time{}, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if content, known := newScene(t, pairIn(t, folder)).look(); !known || content.Resource == nil {
		t.Errorf("got %+v, %v: want a certificate", content, known)
	}
}

// TestMissing has files that are not there when they are met first: nothing waits for them, and they are used when they
// are there.
func TestMissing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "later")
	s := newScene(t, pairIn(t, folder))
	content, known := s.look()
	if !known || content.Resource != nil {
		t.Fatalf("got %+v, %v: want nothing, at once", content, known)
	}
	s.hasProblem(content, "shop.pem: no such file or directory")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	one := newCertificate(t)
	write(t, filepath.Join(folder, "shop.pem"), one.chain)
	s.hasNone("shop.key: no such file or directory")
	write(t, filepath.Join(folder, "shop.key"), one.key)
	s.uses(one)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	s.keeps(one, "no such file or directory")
}

// TestBroken has files of all kinds that are no certificate and key.
func TestBroken(t *testing.T) {
	one, other := newCertificate(t), newCertificate(t)
	pipe := func(t *testing.T, name string) {
		t.Helper()
		if err := errors.Join(os.Remove(name), syscall.Mkfifo(name, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change  func(t *testing.T, chain, key string)
		problem string
	}{
		"text":           {func(t *testing.T, chain, _ string) { write(t, chain, []byte("nonsense")) }, "shop.pem: it has no certificate"},
		"empty":          {func(t *testing.T, chain, _ string) { write(t, chain, nil) }, "shop.pem: it has no certificate"},
		"swapped":        {func(t *testing.T, chain, key string) { write(t, chain, one.key); write(t, key, one.chain) }, "shop.key: it has no private key"},
		"key of another": {func(t *testing.T, _, key string) { write(t, key, other.key) }, "does not fit the certificate"},
		"cut off":        {func(t *testing.T, chain, _ string) { write(t, chain, one.chain[:100]) }, "shop.pem: it is cut off"},
		"cut off behind": {func(t *testing.T, chain, _ string) {
			write(t, chain, append(bytes.Clone(one.chain), other.chain[:100]...))
		}, "shop.pem: it is cut off"},
		"cut off at a dash": {func(t *testing.T, chain, _ string) { write(t, chain, append(bytes.Clone(one.chain), "-----BEG"...)) }, "shop.pem: it is cut off"},
		"pipe":              {func(t *testing.T, _, key string) { pipe(t, key) }, "shop.key: it is a pipe"},
		"folder": {func(t *testing.T, _, key string) {
			if err := errors.Join(os.Remove(key), os.Mkdir(key, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "shop.key: it is a folder"},
		"device": {func(t *testing.T, _, key string) {
			if err := errors.Join(os.Remove(key), os.Symlink("/dev/zero", key)); err != nil {
				t.Fatal(err)
			}
		}, "shop.key: it is a device"},
		"large": {func(t *testing.T, _, key string) { write(t, key, make([]byte, maxFile+1)) }, "shop.key: it has more than"},
		"link to itself": {func(t *testing.T, _, key string) {
			if err := errors.Join(os.Remove(key), os.Symlink(key, key)); err != nil {
				t.Fatal(err)
			}
		}, "shop.key: too many levels"},
		"encrypted": {func(t *testing.T, _, key string) {
			write(t, key, bytes.ReplaceAll(one.key, []byte("PRIVATE KEY"), []byte("ENCRYPTED PRIVATE KEY")))
		}, "shop.key: the key is encrypted"},
		"damaged key": {func(t *testing.T, _, key string) {
			write(t, key, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
		}, "shop.key: the key is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			one.write(t, folder)
			c.change(t, filepath.Join(folder, "shop.pem"), filepath.Join(folder, "shop.key"))
			s := newScene(t, pairIn(t, folder))
			s.hasNone(c.problem)
			if err := os.RemoveAll(filepath.Join(folder, "shop.key")); err != nil {
				t.Fatal(err)
			}
			one.write(t, folder)
			s.uses(one)
			for _, secret := range []string{string(one.key), string(other.key)} {
				if strings.Contains(fmt.Sprint(s.log, s.secrets.Status()), strings.Split(secret, "\n")[1]) {
					t.Error("log or status contain a key")
				}
			}
		})
	}
}

// TestPermission has a file that the agent may not read: the problem says as whom it runs.
func TestPermission(t *testing.T) {
	err := explain("/etc/shop.key", &os.PathError{Op: "open", Path: "/etc/shop.key", Err: syscall.EACCES})
	if want := fmt.Sprintf("(user %d)", os.Geteuid()); !strings.HasPrefix(err.Error(), "/etc/shop.key: permission denied: the agent runs as ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v: want the user", err)
	}
}

// TestExpired has certificates that have expired or are not valid yet. One never replaces another one; it is used when
// there is none.
func TestExpired(t *testing.T) {
	now := time.Now()
	good := newCertificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	expired := newCertificate(t, now.Add(-time.Hour), now.Add(-time.Minute))
	early := newCertificate(t, now.Add(30*time.Minute), now.Add(2*time.Hour))
	folder := t.TempDir()
	expired.write(t, folder)
	s := newScene(t, pairIn(t, folder))
	s.keeps(expired, "shop.pem: it expired at")
	good.write(t, folder)
	s.uses(good)
	expired.write(t, folder)
	s.keeps(good, "shop.pem: it expired at")
	early.write(t, folder)
	s.keeps(good, "shop.pem: it is not valid before")
	s.now = now.Add(31 * time.Minute)
	s.uses(early)
	s.now = now.Add(3 * time.Hour)
	s.keeps(early, "shop.pem: it expired at")
}

// TestAuthorities has a file of authorities.
func TestAuthorities(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := newScene(t, authoritiesIn(t, file))
	s.hasNone("ca.pem: no such file")
	one := newCertificate(t)
	write(t, file, one.chain)
	content := s.settle()
	var m tlsv3.Secret
	if content.Problem != nil || content.Resource == nil || proto.Unmarshal(content.Resource.Body(), &m) != nil || !bytes.Equal(m.GetValidationContext().GetTrustedCa().GetInlineBytes(), one.chain) {
		t.Errorf("got %v, %v: want the file's content", &m, content.Problem)
	}
	write(t, file, one.chain[:50])
	if after := s.settle(); after.Problem == nil || after.Resource != content.Resource {
		t.Errorf("got %+v: want what was used before, and a problem", after)
	}
}

// TestSameContentIsTheSameResource: nothing is sent again when files are written again, or were bad for a while.
func TestSameContentIsTheSameResource(t *testing.T) {
	folder := t.TempDir()
	one := newCertificate(t)
	one.write(t, folder)
	s := newScene(t, pairIn(t, folder))
	before := s.settle()
	write(t, filepath.Join(folder, "shop.key"), nil)
	s.settle()
	move(t, folder, "shop.key", one.key)
	if after := s.settle(); after != before {
		t.Errorf("got %+v, before %+v", after, before)
	}
}

// TestWhichSecrets says which secrets are left to clients.
func TestWhichSecrets(t *testing.T) {
	inlined := inline([]byte("x"))
	file := fileSource("/x")
	for name, c := range map[string]struct {
		secret *tlsv3.Secret
		want   bool
	}{
		"files":         {&tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: file, PrivateKey: file}}}, true},
		"authorities":   {&tlsv3.Secret{Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: file}}}, true},
		"content":       {&tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inlined, PrivateKey: inlined}}}, false},
		"half":          {&tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: file, PrivateKey: inlined}}}, false},
		"encrypted key": {&tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: file, PrivateKey: file, Password: file}}}, false},
		"generic":       {&tlsv3.Secret{Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{Secret: file}}}, false},
		"nothing":       {&tlsv3.Secret{}, false},
	} {
		if got := NamesFiles(encode(t, c.secret)); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if NamesFiles(xds.NewResource(xds.SecretType, "x", []byte{0xff}, xds.ResourceOptions{})) {
		t.Error("bytes that are no secret name files")
	}
}

// fakeRelay is a relay whose secrets change.
type fakeRelay struct {
	mu       sync.Mutex
	secrets  []*xds.Resource
	more     chan struct{}
	provided chan map[relay.Key]relay.Content
}

func (f *fakeRelay) Named() ([]*xds.Resource, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.secrets, f.more
}

func (f *fakeRelay) Provide(contents map[relay.Key]relay.Content) { f.provided <- contents }

// set makes secrets those that are named.
func (f *fakeRelay) set(secrets ...*xds.Resource) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets = secrets
	close(f.more)
	f.more = make(chan struct{})
}

// TestRun runs until a secret is named, its files are made, replaced, and it is no longer named.
func TestRun(t *testing.T) {
	f := &fakeRelay{more: make(chan struct{}), provided: make(chan map[relay.Key]relay.Content)}
	s := New(f, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	next := func() map[relay.Key]relay.Content {
		t.Helper()
		select {
		case contents := <-f.provided:
			return contents
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is provided")
			return nil
		}
	}
	folder := t.TempDir()
	r := pairIn(t, folder)
	f.set(r)
	if content, known := next()[relay.KeyOf(r)]; !known || content.Resource != nil || content.Problem == nil {
		t.Errorf("got %+v, %v: want a problem", content, known)
	}
	newCertificate(t).write(t, folder)
	for content := next()[relay.KeyOf(r)]; content.Resource == nil; content = next()[relay.KeyOf(r)] {
		if content.Problem == nil { // one file may be there before the other
			t.Fatalf("got %+v", content)
		}
	}
	if all := s.Status(); len(all) != 1 || !all[0].Used || all[0].Problem != "" || all[0].Name != "edge/https" {
		t.Errorf("the status is %+v", all)
	}
	f.set()
	for deadline := time.Now().Add(20 * time.Second); len(s.Status()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("what is not named any more is watched: %+v", s.Status())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
