package health

import (
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// Condition is one thing that must hold before an instance can take traffic.
type Condition string

const (
	ApplicationHealthy Condition = "application healthy"
	EnvoyReady         Condition = "envoy ready"
)

// Conditions joins what must hold before an instance can take traffic into the state it checks in with:
// starting until everything has held once, then healthy or unhealthy.
type Conditions struct {
	log  *slog.Logger
	tell func(registry.State, string) // told each change of the state and its reason, in order; must not block

	mu      sync.Mutex
	needed  []Condition
	note    string // a reason besides the conditions; "" is none
	state   registry.State
	reason  string
	unmet   map[Condition]string // why each that does not hold does not; "" is not known yet
	started bool                 // everything has held once
}

// NewConditions begins with none of the needed ones holding, and so with an instance that is starting.
func NewConditions(log *slog.Logger, tell func(registry.State, string), needed ...Condition) *Conditions {
	c := &Conditions{log: log, tell: tell, needed: needed, state: registry.Starting, unmet: map[Condition]string{}}
	for _, n := range needed {
		c.unmet[n] = ""
	}
	return c
}

// Kept is how conditions stand, for those that go on after them.
type Kept struct {
	Note    string               `json:"note,omitempty"`
	Unmet   map[Condition]string `json:"unmet,omitempty"`
	Started bool                 `json:"started"`
}

// Keep returns how the conditions stand.
func (c *Conditions) Keep() Kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Kept{Note: c.note, Unmet: maps.Clone(c.unmet), Started: c.started}
}

// Resume goes on where other conditions have ended. A condition that these do not need is forgotten.
func (c *Conditions) Resume(k Kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note, c.started = k.Note, k.Started
	for _, n := range c.needed {
		if reason, unmet := k.Unmet[n]; unmet {
			c.unmet[n] = reason
		} else {
			delete(c.unmet, n)
		}
	}
	c.conclude()
}

// Set says that a condition holds (nil), or why it does not.
func (c *Conditions) Set(which Condition, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.unmet, which)
		c.log.Info("condition met", "condition", which)
	} else {
		c.unmet[which] = err.Error()
		c.log.Warn("condition not met", "condition", which, "error", err)
	}
	c.conclude()
}

// Remark adds to the reason, whatever the state.
func (c *Conditions) Remark(note string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note = note
	c.conclude()
}

// conclude tells the state and its reason if either has changed. The caller holds mu.
func (c *Conditions) conclude() {
	state := registry.Starting
	switch {
	case len(c.unmet) == 0:
		c.started, state = true, registry.Healthy
	case c.started:
		state = registry.Unhealthy
	}
	if reason := c.why(); state != c.state || reason != c.reason {
		c.state, c.reason = state, reason
		c.tell(state, reason)
	}
}

// why joins what is known of the conditions that do not hold, in the order in which they are needed.
func (c *Conditions) why() string {
	var reasons []string
	if c.note != "" {
		reasons = append(reasons, c.note)
	}
	for _, n := range c.needed {
		if reason := c.unmet[n]; reason != "" {
			reasons = append(reasons, "not "+string(n)+": "+reason)
		}
	}
	return bounded(printable.Text(strings.Join(reasons, "; ")), registry.MaxReason)
}

// bounded cuts printable text to at most limit bytes.
func bounded(text string, limit int) string {
	const cut = "..."
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(cut)], "") + cut
}
