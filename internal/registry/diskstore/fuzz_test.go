package diskstore

import (
	"bytes"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// FuzzOpen opens a store whose log has any content. It may refuse it, and then must leave
// it alone; what it accepts must keep what is saved from then on.
func FuzzOpen(f *testing.F) {
	first, err := encode([]registry.Change{instance(1, "one"), gone(2)})
	if err != nil {
		f.Fatal(err)
	}
	whole := appendFrame(header(), first)
	f.Add(whole)
	f.Add(appendFrame(whole, first)[:len(whole)+20])
	f.Add(append(appendFrame(whole, first), mark...))
	f.Add(appendFrame(header(), []byte(`[]`)))
	f.Add(appendFrame(header(), []byte(`{"service":7}`)))
	f.Add([]byte("doyen instances 18446744073709551616\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := folder(t, content)
		s, err := openWith(dir, nil, func(name string, flag int) (file, error) {
			f, err := openFile(name, flag)
			return unflushed{f}, err
		})
		if err != nil {
			if !bytes.Equal(read(t, dir), content) {
				t.Error("the file was refused and changed")
			}
			return
		}
		if !bytes.HasPrefix(content, read(t, dir)) {
			t.Error("opening did more than cut off a torn end")
		}
		save(t, s, instance(9, "nine"))
		if has := reopened(t, s); has[instance(9, "").Key] == nil {
			t.Error("what was saved is not there")
		}
	})
}

// unflushed is a file that is not flushed, which makes it fast enough for this.
type unflushed struct{ file }

func (unflushed) Sync() error { return nil }
