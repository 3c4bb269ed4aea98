package registry

import (
	"context"
	"errors"
)

// MaxBatch is the largest number of changes that is handed to a Store at once.
const MaxBatch = 256

// ErrFull is wrapped by a Store's error when what is missing is room, so that callers can
// tell an operator what to do about it.
var ErrFull = errors.New("the store has no room left")

// Change is one instance that is new, described differently than before, or gone.
type Change struct {
	Key
	Instance *Instance // nil: gone
}

// Store keeps instances beyond the life of the process. Renewals are not stored: who was
// loaded gets a whole new lease.
type Store interface {
	// Load returns all instances, in any order. It is called once, before any Save.
	Load(ctx context.Context) ([]*Instance, error)
	// Save makes changes (1 to MaxBatch, no key twice) durable and returns then: they
	// survive the loss of power. After an error none or some of them may be stored, and
	// a later Save of the same keys is the final word. Save is called by one goroutine.
	Save(ctx context.Context, changes []Change) error
}

// unstored is the Store of a registry that keeps its instances in memory only.
type unstored struct{}

func (unstored) Load(context.Context) ([]*Instance, error) { return nil, nil }
func (unstored) Save(context.Context, []Change) error      { return nil }
