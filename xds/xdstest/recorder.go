package xdstest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options tell a recorder what the test does that the messages alone would not show.
type Options struct {
	// Dangling allows the test to publish resources that refer to what does not exist: what is
	// removed may then still be referred to, and what is referred to may come later.
	Dangling bool

	// OrderTimeout is how long the server waits for an acknowledgement before it sends what depends
	// on it all the same; 0 = 10 s.
	OrderTimeout time.Duration
}

// Recorder watches all connections of the listeners it was given. Its methods may be called from
// any goroutine.
type Recorder struct {
	options Options

	mu         sync.Mutex
	log        []*Message
	violations []Violation
	conns      int
	streams    []*stream // open ones
	ended      []*stream // the last ones
	history    map[held]*content
}

// held names one version of one resource, on whatever stream: what a client says it holds when it
// comes back.
type held struct{ typeURL, name, version string }

// Violation is one breach of one rule.
type Violation struct {
	Rule    string   // name of the rule, such as "nonce"
	Message *Message // the message that proved it
	Reason  string
}

func (v Violation) String() string {
	return fmt.Sprintf("rule %q: %s\n\tproved by %v", v.Rule, v.Reason, v.Message)
}

// NewRecorder returns a recorder that has seen nothing yet.
func NewRecorder(o Options) *Recorder {
	if o.OrderTimeout == 0 {
		o.OrderTimeout = 10 * time.Second
	}
	return &Recorder{options: o, history: make(map[held]*content)}
}

// Listen returns a listener in front of l whose connections are recorded.
func (r *Recorder) Listen(l net.Listener) net.Listener { return &listener{l, r} }

// Messages returns what was said so far, in order. The messages must not be changed.
func (r *Recorder) Messages() []*Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// Violations returns what was found so far, in order.
func (r *Recorder) Violations() []Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.violations)
}

// Verify fails t for each violation found so far, and when nothing was recorded at all.
func (r *Recorder) Verify(t testing.TB) {
	t.Helper()
	if len(r.Messages()) == 0 {
		t.Error("xdstest: no xDS message was recorded")
	}
	for _, v := range r.Violations() {
		t.Errorf("xdstest: %v\n\tafter %s", v, r.before(v.Message))
	}
}

// before shows the last messages of a node up to the one that proved something.
func (r *Recorder) before(proof *Message) string {
	const shown = 30
	var lines []string
	for _, m := range r.Messages() {
		if m == proof {
			break
		}
		if proof == nil || m.Node == proof.Node {
			lines = append(lines, m.String())
		}
	}
	return strings.Join(lines[max(0, len(lines)-shown):], "\n\t      ")
}

// take judges and notes one message of a stream. It is called with mu held.
func (r *Recorder) take(s *stream, m *Message) {
	r.log = append(r.log, m)
	if m.FromClient {
		s.request(m)
		return
	}
	t := s.typed(m.Type)
	for _, rule := range rules {
		for _, reason := range rule.broken(r, s, t, m) {
			r.violations = append(r.violations, Violation{rule.name, m, reason})
		}
	}
	t.response(m)
	for _, c := range m.Resources {
		r.history[held{m.Type, c.Name, c.Version}] = c.content
	}
}

// unreadable notes bytes that are not what gRPC or xDS say they should be.
func (r *Recorder) unreadable(err error) {
	r.violations = append(r.violations, Violation{"decode", nil, err.Error()})
}
