package registry

import (
	"errors"
	"fmt"
	"time"
)

// ErrLeft is the error of a check-in by an incarnation that has left already: the check-in was delayed. An agent
// whose instance still runs requests another incarnation ([Registry.Issue]).
var ErrLeft = errors.New("this incarnation has left")

// Taken is the error of a check-in at an address that a later incarnation has.
type Taken struct {
	Socket       // what both claim
	By     Claim // who has it
}

// Claim is an instance's claim to its address.
type Claim struct {
	Key
	Incarnation Incarnation
}

// Error names the address and the instance that has it.
func (t *Taken) Error() string {
	return fmt.Sprintf("%v belongs to %s, incarnation %v, which started later", t.Socket, t.By.Service, t.By.Incarnation)
}

// Issue returns a new incarnation, above every one that this registry has seen. It changes nothing else: an
// incarnation counts from its first check-in.
func (r *Registry) Issue() Incarnation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.incarnations.issue()
}

// admission is what a check-in changes, or its answer if it changes nothing.
type admission struct {
	instance  *Instance // as it will be stored
	displaced []Claim   // the instances that had one of its addresses
	renewal   bool      // nothing to store
	err       error
}

// admit decides on a check-in by what the registry knows of its addresses. The later incarnation wins, and within one
// incarnation the higher sequence.
func (r *Registry) admit(i *Instance) admission {
	known := r.Snapshot().Instance(i.Key)
	i, renewal := r.identify(i, known)
	switch {
	case renewal:
		return admission{instance: known, renewal: true}
	case r.hasLeft(i), known == nil && !r.follows(i):
		return admission{err: fmt.Errorf("%v, incarnation %v: %w", i.Key, i.Incarnation, ErrLeft)}
	case known != nil && known.Incarnation.Compare(i.Incarnation) > 0:
		return admission{err: r.contest(i, known, i.Socket())}
	case known != nil && known.Incarnation == i.Incarnation && known.Sequence >= i.Sequence:
		return admission{instance: known, renewal: true} // overtaken by a later check-in
	}
	a := admission{instance: i}
	for socket := range i.sockets() {
		holder := r.holderOf(socket)
		switch {
		case holder == nil || holder.Key == i.Key:
		case holder.Incarnation.Compare(i.Incarnation) > 0:
			return admission{err: r.contest(i, holder, socket)}
		default:
			a.displace(holder)
		}
	}
	return a
}

// identify completes a check-in without an incarnation: it gets the registered one, or begins a new one. It reports
// whether the check-in only renews a lease.
func (r *Registry) identify(i, known *Instance) (_ *Instance, renewal bool) {
	if !i.Incarnation.IsZero() {
		return i, false
	}
	if known == nil || known.Source != "" || known.Sequence >= MaxSequence && !known.Equal(i) {
		return i.as(r.Issue(), 1), false
	}
	return i.as(known.Incarnation, known.Sequence+1), known.Equal(i)
}

// as returns a copy of i with that incarnation and sequence.
func (i Instance) as(incarnation Incarnation, sequence uint64) *Instance {
	i.Incarnation, i.Sequence = incarnation, sequence
	return &i
}

// follows makes i, which is not registered, later than its last lapse, if that is remembered. It reports false if i
// is a delayed description that must not return.
func (r *Registry) follows(i *Instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended, found := r.sharing.ending(i.Key)
	if found && ended.Instance.sameVersion(i) {
		i.Revival = ended.Instance.Revival + 1
	}
	return !found || Record{Instance: i}.Compare(ended) > 0
}

func (r *Registry) hasLeft(i *Instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.departed.includes(i.Socket(), i.Incarnation)
}

// holderOf returns the instance that has socket, or nil.
func (r *Registry) holderOf(socket Socket) *Instance {
	key, found := r.holders[socket]
	if !found {
		return nil
	}
	return r.Snapshot().Instance(key)
}

// contest refuses i because holder has its address, and remembers i as the rival for holder's next renewal.
func (r *Registry) contest(i, holder *Instance, socket Socket) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.leases.byKey[holder.Key]; l != nil {
		l.rival, l.rivalSince = Claim{i.Key, i.Incarnation}, time.Now()
	}
	return &Taken{socket, Claim{holder.Key, holder.Incarnation}}
}

// displace adds holder to the instances that lose an address, once.
func (a *admission) displace(holder *Instance) {
	claim := Claim{holder.Key, holder.Incarnation}
	for _, d := range a.displaced {
		if d == claim {
			return
		}
	}
	a.displaced = append(a.displaced, claim)
}

// changes returns what has to be stored.
func (a *admission) changes() []Change {
	changes := []Change{{Key: a.instance.Key, Instance: a.instance}}
	for _, d := range a.displaced {
		changes = append(changes, Change{Key: d.Key})
	}
	return changes
}
