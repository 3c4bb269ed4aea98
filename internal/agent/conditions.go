package agent

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// condition is one thing that must hold before an instance can take traffic.
type condition string

const (
	appHealthy condition = "application healthy"
	envoyReady condition = "envoy ready"
)

var errNotYet = errors.New("not known yet")

// conditions joins what must hold before an instance can take traffic into the state it checks in with.
type conditions struct {
	log  *slog.Logger
	tell func(registry.State) // told each change of the state, in order; must not block

	mu      sync.Mutex
	state   registry.State
	missing map[condition]error // why each that does not hold does not
}

// newConditions begins with none of the needed ones holding, and so with an instance that is starting.
func newConditions(log *slog.Logger, tell func(registry.State), needed ...condition) *conditions {
	c := &conditions{log: log, tell: tell, state: registry.Starting, missing: map[condition]error{}}
	for _, n := range needed {
		c.missing[n] = errNotYet
	}
	return c
}

// set says that a condition holds (nil), or why it does not.
func (c *conditions) set(which condition, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		delete(c.missing, which)
		c.log.Info("condition met", "condition", which)
	} else {
		c.missing[which] = err
		c.log.Warn("condition not met", "condition", which, "error", err)
	}
	state := registry.Healthy
	if len(c.missing) > 0 {
		state = registry.Starting
	}
	if state != c.state {
		c.state = state
		c.tell(state)
	}
}
