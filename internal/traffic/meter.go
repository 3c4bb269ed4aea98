package traffic

import (
	"encoding/json"
	"math"
	"sync"
	"time"
)

// Latencies are counted in buckets, each a fifth wider than the one before: percentiles are right to a fifth.
const (
	firstBucket = 100 * time.Microsecond
	bucketRatio = 1.2
	buckets     = 64 // the last begins at about ten seconds
)

// Figures count requests up to a moment. The difference of two covers the time between them.
type Figures struct {
	At       time.Time      `json:"at"`
	Over     time.Duration  `json:"over,omitempty"` // of a difference: the time between
	Sent     int            `json:"sent"`
	Failed   int            `json:"failed"`
	Took     [buckets]int   `json:"took"`     // of those that did not fail
	Answered map[string]int `json:"answered"` // by the name of the instance that answered
	Reason   string         `json:"reason"`   // of the last failure
}

// Since returns the figures of the requests that ended between the two moments.
func (f Figures) Since(earlier Figures) Figures {
	d := Figures{At: f.At, Over: f.At.Sub(earlier.At), Sent: f.Sent - earlier.Sent, Failed: f.Failed - earlier.Failed, Reason: f.Reason, Answered: map[string]int{}}
	for i := range f.Took {
		d.Took[i] = f.Took[i] - earlier.Took[i]
	}
	for name, n := range f.Answered {
		if n -= earlier.Answered[name]; n > 0 {
			d.Answered[name] = n
		}
	}
	return d
}

// Percentile returns a time that the given share of the answers did not exceed; 0 without answers.
func (f Figures) Percentile(share float64) time.Duration {
	answers := 0
	for _, n := range f.Took {
		answers += n
	}
	if answers == 0 {
		return 0
	}
	rank := int(math.Ceil(share * float64(answers)))
	for i, n := range f.Took {
		if rank -= n; rank <= 0 {
			return time.Duration(float64(firstBucket) * math.Pow(bucketRatio, float64(i)))
		}
	}
	return 0
}

// PerSecond is the rate of requests in the time of a difference.
func (f Figures) PerSecond() float64 { return float64(f.Sent) / f.Over.Seconds() }

// Success is the share of requests that did not fail, in percent; 100 without requests.
func (f Figures) Success() float64 {
	if f.Sent == 0 {
		return 100
	}
	return 100 * float64(f.Sent-f.Failed) / float64(f.Sent)
}

func bucketOf(d time.Duration) int {
	if d <= firstBucket {
		return 0
	}
	i := int(math.Ceil(math.Log(float64(d)/float64(firstBucket)) / math.Log(bucketRatio)))
	return min(i, buckets-1)
}

// Meter counts requests. Safe for concurrent use.
type Meter struct {
	mu    sync.Mutex
	total Figures
}

// Count counts one request that was answered by an instance, or failed.
func (m *Meter) Count(took time.Duration, instance string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Sent++
	if err != nil {
		m.total.Failed++
		m.total.Reason = err.Error()
		return
	}
	m.total.Took[bucketOf(took)]++
	if m.total.Answered == nil {
		m.total.Answered = map[string]int{}
	}
	m.total.Answered[instance]++
}

// Figures returns the figures of all requests until now.
func (m *Meter) Figures() Figures {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.total
	f.At = time.Now()
	f.Answered = make(map[string]int, len(m.total.Answered))
	for name, n := range m.total.Answered {
		f.Answered[name] = n
	}
	return f
}

// take makes f the total, as another process counted it.
func (m *Meter) take(line []byte) error {
	var f Figures
	if err := json.Unmarshal(line, &f); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total = f
	return nil
}
