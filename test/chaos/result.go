//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// convergeLimit bounds how long the mesh may take to converge after a fault has healed.
const convergeLimit = 90 * time.Second

// settleFor is how long traffic is measured after the mesh has converged.
const settleFor = time.Second

// slow is how long recovery may take without the result saying what it waited for.
const slow = 2 * time.Second

// result is what one fault did.
type result struct {
	Fault     string        `json:"fault"`
	Sent      int           `json:"sent"`
	Rate      float64       `json:"rate"` // requests per second of all callers
	Failed    int           `json:"failed"`
	Reason    string        `json:"reason,omitempty"` // of the last failed request
	Converged time.Duration `json:"converged"`        // from healing until everything is as it was, in nanoseconds
	Waited    string        `json:"waited,omitempty"` // what was last to become as it was
	Err       string        `json:"error,omitempty"`  // why the mesh has not converged, or what was lost
}

// ok reports whether the promise was kept: no failed request, and everything as before.
func (r result) ok() bool { return r.Failed == 0 && r.Err == "" && r.Sent > 0 }

// inflict runs one row.
func inflict(ctx context.Context, f *fleet, w row) result {
	before := f.figures()
	r := result{Fault: w.name}
	if err := r.recover(ctx, f, w); err != nil {
		r.Err = err.Error()
	}
	if found := f.emptied.take(); len(found) > 0 && r.Err == "" {
		r.Err = "a service without endpoints: " + strings.Join(found, "; ")
	}
	for i, now := range f.figures() {
		d := now.Since(before[i])
		r.Sent += d.Sent
		r.Rate += d.PerSecond()
		r.Failed += d.Failed
		if d.Failed > 0 {
			r.Reason = f.loads[i].name + ": " + d.Reason
		}
		if d.Sent == 0 && r.Err == "" {
			r.Err = f.loads[i].name + ": no traffic"
		}
	}
	return r
}

// recover injects the fault, heals it and waits until the mesh has converged.
func (r *result) recover(ctx context.Context, f *fleet, w row) error {
	if err := w.fault(ctx, f); err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	if err := pause(ctx, w.hold); err != nil {
		return err
	}
	if w.heal != nil {
		if err := w.heal(ctx, f); err != nil {
			return fmt.Errorf("heal: %w", err)
		}
	}
	took, last, err := eventually(ctx, convergeLimit, f.converged)
	r.Converged = took
	if last != nil {
		r.Waited = last.Error()
	}
	if err != nil {
		return err
	}
	return pause(ctx, settleFor)
}

// figures are those of each load.
func (f *fleet) figures() []traffic.Figures {
	var all []traffic.Figures
	for _, l := range f.loads {
		all = append(all, l.figures())
	}
	return all
}

// pause waits, or returns the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// printer prints results as they come.
type printer struct {
	w    io.Writer
	json bool
}

func (p printer) head() {
	if !p.json {
		fmt.Fprintf(p.w, "%-4s  %-58s  %8s  %6s  %8s  %9s\n", "", "FAULT", "REQUESTS", "PER S", "FAILED", "CONVERGED")
	}
}

// note prints a line for people.
func (p printer) note(line string) {
	if !p.json {
		fmt.Fprintln(p.w, line)
	}
}

func (p printer) print(r result) {
	if p.json {
		_ = json.NewEncoder(p.w).Encode(r)
		return
	}
	word := "ok"
	if !r.ok() {
		word = "FAIL"
	}
	fmt.Fprintf(p.w, "%-4s  %-58s  %8d  %6.0f  %8d  %7.1f s\n", word, r.Fault, r.Sent, r.Rate, r.Failed, r.Converged.Seconds())
	if r.Converged > slow && r.Err == "" {
		fmt.Fprintf(p.w, "      waited for: %.400s\n", r.Waited)
	}
	for _, why := range []string{r.Reason, r.Err} {
		if why != "" {
			fmt.Fprintf(p.w, "      %.400s\n", why)
		}
	}
}
