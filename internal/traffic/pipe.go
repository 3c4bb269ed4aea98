package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"
)

// reportEvery is how often a process reports its figures.
const reportEvery = 100 * time.Millisecond

// Report writes the figures of m to w, one line of JSON every 100 ms, until ctx ends or nobody reads any more.
func Report(ctx context.Context, m *Meter, w io.Writer) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	encoder := json.NewEncoder(w)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if encoder.Encode(m.Figures()) != nil {
				return
			}
		}
	}
}

// Reader is the other end of [Report]: it makes what is written to it the total of a meter.
type Reader struct {
	Meter *Meter
	rest  bytes.Buffer
}

// Write never fails: it ignores lines that are not figures.
func (r *Reader) Write(p []byte) (int, error) {
	r.rest.Write(p)
	for {
		line, err := r.rest.ReadBytes('\n')
		if err == io.EOF {
			r.rest.Write(line) // its end has not come
			return len(p), nil
		}
		_ = r.Meter.take(line)
	}
}
