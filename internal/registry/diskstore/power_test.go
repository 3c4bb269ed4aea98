package diskstore

import (
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// unpowered is a file of which only what was flushed survives the loss of power.
type unpowered struct {
	file
	disk *disk
	name string
}

// disk knows how many bytes of each file were flushed, by the name it was opened with.
type disk struct{ written, flushed map[string]int64 }

func (f unpowered) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	f.disk.written[f.name] += int64(n)
	return n, err
}

func (f unpowered) Sync() error {
	f.disk.flushed[f.name] = f.disk.written[f.name]
	return f.file.Sync()
}

func (d *disk) open(name string, flag int) (file, error) {
	f, err := openFile(name, flag)
	if flag&os.O_TRUNC != 0 {
		d.written[name], d.flushed[name] = 0, 0
	}
	return unpowered{f, d, name}, err
}

// left is what is on the disk of a log of this content after the loss of power: what was
// flushed, and of the rest whatever: here zeros, of some length.
func (d *disk) left(content []byte, name string, random *rand.Rand) []byte {
	flushed := d.flushed[name]
	rest := make([]byte, random.Int64N(int64(len(content))-flushed+1))
	return append(content[:flushed:flushed], rest...)
}

// TestPowerLoss takes the power away after each Save: what it returned for is on the disk.
func TestPowerLoss(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	d := &disk{make(map[string]int64), make(map[string]int64)}
	s, err := openWith(t.TempDir(), nil, d.open)
	if err != nil {
		t.Fatal(err)
	}
	s.slack, s.rewrite = 1<<10, 1<<10
	want := of()
	for range 60 {
		changes := []registry.Change{instance(random.IntN(4), string(rune('a'+random.IntN(26)))), gone(4 + random.IntN(4))}
		save(t, s, changes...)
		for _, c := range changes {
			want[c.Key] = c.Instance
		}
		maps.DeleteFunc(want, func(_ registry.Key, i *registry.Instance) bool { return i == nil })
		// The log was opened under its first name, that of the log being written anew.
		same(t, stored(t, folder(t, d.left(read(t, s.dir), s.path(newName), random))), want)
	}
	if s.end > 8<<10 {
		t.Error("the log was never written anew: this test tests half")
	}
	same(t, reopened(t, s), want)
}
