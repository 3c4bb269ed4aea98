package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/printable"
)

// MaxOrders is the largest number of orders that a registry remembers, of both kinds: those in effect and those that
// were taken back.
const MaxOrders = 1 << 14

// maxOrderVersion leaves room for every order that an operator will ever give.
const maxOrderVersion = 1 << 62

// Order is an operator's order to keep an instance out of service. It is about the instance's [Key], whatever its
// agent says: it survives check-ins, restarts of the agent and the absence of the instance until it is taken back.
// Of two orders about one key the one of the higher version counts, on every server.
type Order struct {
	On      bool   // the instance is in maintenance; false: the order was taken back
	Reason  string // at most MaxReason bytes; "" once it is taken back
	Version uint64 // counts the orders about the key, from 1; 0: there was none
}

// Ordered is an order in effect.
type Ordered struct {
	Key
	Order
}

// Maintain puts an instance in maintenance, or takes that back if on is false. It has effect immediately and is
// stored when Maintain returns.
//
// The errors are [Invalid], [ErrUnknown] if neither the instance nor an order about it is known, [ErrOrders],
// [ErrStopped], those of ctx, and the store's: then the order is in effect, and storing it will be tried again.
func (r *Registry) Maintain(ctx context.Context, key Key, on bool, reason string) error {
	if !on {
		reason = ""
	}
	order := Order{On: on, Reason: reason}
	if found := order.problems(); len(found) > 0 {
		return Invalid(found)
	}
	_, err := r.ask(ctx, r.leaves, &request{key: key, order: &order})
	return err
}

// Orders returns the orders in effect, by key.
func (r *Registry) Orders() []Ordered {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Ordered
	for key, order := range r.orders {
		if order.On {
			found = append(found, Ordered{key, order})
		}
	}
	slices.SortFunc(found, func(a, b Ordered) int { return a.Key.Compare(b.Key) })
	return found
}

// Condition returns the state that counts for traffic, and the reason for it: an operator's order before what the
// instance says of itself.
func (i *Instance) Condition() (State, string) {
	if i.Order.On {
		return Maintenance, i.Order.Reason
	}
	return i.State, i.Reason
}

// under returns i with that order; i itself if it has it.
func (i *Instance) under(order Order) *Instance {
	if i == nil || i.Order == order {
		return i
	}
	ordered := *i
	ordered.Order = order
	return &ordered
}

// problems returns what is wrong with an order.
func (o Order) problems() []Problem {
	switch {
	case len(o.Reason) > MaxReason || !printable.Is(o.Reason):
		return []Problem{{"reason", fmt.Sprintf("%d bytes are too long or not printable", len(o.Reason)), fmt.Sprintf("at most %d bytes of printable UTF-8", MaxReason)}}
	case !o.On && o.Reason != "":
		return []Problem{{"reason", "the order was taken back", "none"}}
	case o.Version > maxOrderVersion:
		return []Problem{{"version", fmt.Sprintf("%d is out of range", o.Version), fmt.Sprintf("1-%d", uint64(maxOrderVersion))}}
	}
	return nil
}

// record returns an order as a record.
func (o Order) record(key Key) Record {
	r := Record{Instance: &Instance{Key: key, Reason: o.Reason, Sequence: o.Version}, Order: true}
	if !o.On {
		r.Ended = Lapsed
	}
	return r
}

// order returns the order that a record is about.
func (a Record) order() Order {
	return Order{On: a.Ended == Present, Reason: a.Instance.Reason, Version: a.Instance.Sequence}
}

// takeOrder carries out q's order. The request is answered once that is stored.
func (r *Registry) takeOrder(q *request) {
	r.mu.Lock()
	old := r.orders[q.key]
	r.mu.Unlock()
	order := *q.order
	order.Version = old.Version + 1
	switch {
	case old.Version == 0 && r.Snapshot().Instance(q.key) == nil:
		q.answer <- result{err: ErrUnknown}
		return
	case old.On == order.On && old.Reason == order.Reason:
		q.answer <- result{}
		return
	case !r.setOrder(q.key, order):
		q.answer <- result{err: ErrOrders}
		return
	}
	r.sharing.note(q.key)
	r.ordering = append(r.ordering, q)
}

// setOrder makes order the one about key. It reports false if there are too many.
func (r *Registry) setOrder(key Key, order Order) bool {
	r.mu.Lock()
	if _, found := r.orders[key]; !found && len(r.orders) >= MaxOrders && !r.forgetOrder() {
		r.mu.Unlock()
		return false
	}
	r.orders[key] = order
	r.mu.Unlock()
	r.unsaved[key], r.retry = struct{}{}, true
	if known := r.Snapshot().Instance(key); known != nil {
		r.redescribe(known.under(order))
	}
	return true
}

// forgetOrder forgets one order that was taken back, if there is one. The caller holds mu.
func (r *Registry) forgetOrder() bool {
	for key, order := range r.orders {
		if !order.On {
			delete(r.orders, key)
			r.unsaved[key] = struct{}{}
			return true
		}
	}
	return false
}

// redescribe publishes another description of a registered instance, whose lease stays as it is.
func (r *Registry) redescribe(i *Instance) {
	old := r.Snapshot()
	fresh := old.with([]Change{{Key: i.Key, Instance: i}})
	r.mu.Lock()
	r.leases.redescribe(i)
	r.current.Store(fresh)
	r.mu.Unlock()
	close(old.changed)
}

// mergeOrder decides on the record of an order.
func (r *Registry) mergeOrder(theirs Record) {
	key := theirs.Instance.Key
	r.mu.Lock()
	ours, known := r.orders[key]
	r.mu.Unlock()
	order := 1
	if known {
		order = theirs.Compare(ours.record(key))
	}
	switch {
	case order < 0:
		r.sharing.note(key)
	case order > 0 && !r.setOrder(key, theirs.order()):
		r.log.Warn("order of another server is left out: there are too many", "instance", key.String())
	}
}

// recordsOf returns the records about key: of the instance, and of an order. The caller holds mu.
func (r *Registry) recordsOf(key Key) []Record {
	var records []Record
	if record, found := r.record(key); found {
		records = append(records, record)
	}
	if order, found := r.orders[key]; found {
		records = append(records, order.record(key))
	}
	return records
}
