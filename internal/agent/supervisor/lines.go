package supervisor

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/doyen-mesh/doyen/internal/printable"
)

// maxLine is the longest line, in bytes, that is held back until its end comes.
const maxLine = 64 << 10

// lineWriter passes on whole lines with a prefix, so that output of several programs on one terminal
// stays legible. What is not printable is escaped: a log has words of whoever sends requests. It is safe for use by several goroutines.
type lineWriter struct {
	prefix string
	out    io.Writer

	mu   sync.Mutex
	rest []byte // a line whose end has not come
	hold bool   // lines are kept in held until release or discard
	held []byte // at most maxHeld bytes
}

// maxHeld bounds the lines that are held back, in bytes.
const maxHeld = 64 << 10

// holdBack keeps what is written from now on until release.
func (w *lineWriter) holdBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = true
}

// release ends what holdBack began: it passes on what was held, or drops it.
func (w *lineWriter) release(drop bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !drop {
		_, _ = w.out.Write(w.held)
	}
	w.hold, w.held = false, nil
}

// flush passes on a line whose end has not come.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.line(w.rest)
		w.rest = nil
	}
}

// Write never fails: a child must not die because its log cannot be written.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n') + 1
		if end == 0 && len(w.rest) < maxLine {
			return len(p), nil
		}
		if end == 0 {
			end = maxLine
		}
		w.line(w.rest[:end])
		w.rest = w.rest[end:]
	}
}

func (w *lineWriter) line(line []byte) {
	whole := []byte(w.prefix + printable.Text(strings.TrimSuffix(string(line), "\n")) + "\n")
	if w.hold {
		if len(w.held)+len(whole) <= maxHeld {
			w.held = append(w.held, whole...)
		}
		return
	}
	_, _ = w.out.Write(whole)
}
