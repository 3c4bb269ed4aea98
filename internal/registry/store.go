package registry

import (
	"context"
	"errors"
)

// MaxBatch is the largest number of changes in one call of Save.
const MaxBatch = 256

// ErrFull is wrapped by a Store's error if it has no room left, so that callers can tell an operator what to do.
var ErrFull = errors.New("the store has no room left")

// Change is one instance that is new, has changed or is gone, with the order about it.
type Change struct {
	Key
	Instance *Instance // nil: gone
	// Departed is the incarnation that said goodbye, of an instance that is gone. The store keeps it, so that a server
	// that restarts still tells the others. Zero: there is nothing to keep.
	Departed Incarnation
	Order    Order // the order about the instance, also when it is gone; zero if there is none
}

// Store keeps instances, which of them said goodbye, and orders about them, beyond the life of the process. Renewals are not stored:
// instances that are loaded get a whole new lease.
type Store interface {
	// Load returns all instances, goodbyes and orders, one change for each key, in any order. It is called once, before
	// any Save.
	Load(ctx context.Context) ([]Change, error)
	// Save stores changes (1 to MaxBatch, no key twice) durably before it returns: they survive a loss of power.
	// After an error none or some of them may be stored; a later Save of the same keys replaces them. Save is called
	// by one goroutine.
	Save(ctx context.Context, changes []Change) error
}

// unstored is the Store of a registry that keeps its instances in memory only.
type unstored struct{}

func (unstored) Load(context.Context) ([]Change, error) { return nil, nil }
func (unstored) Save(context.Context, []Change) error   { return nil }
