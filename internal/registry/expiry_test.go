package registry

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAway: a process that was stopped for a while has heard nobody in that time.
func TestAway(t *testing.T) {
	for _, test := range []struct {
		late time.Duration
		want int
	}{{15 * time.Minute, 1}, {awayAfter, 0}} {
		synctest.Test(t, func(t *testing.T) {
			r, err := New(t.Context(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			i := number("users", 1, 1)
			r.apply([]Change{{Key: i.Key, Instance: i}})
			time.Sleep(15 * time.Minute)
			r.sweep(test.late)
			if n := r.Snapshot().Size(); n != test.want {
				t.Errorf("a sweep that is %v late leaves %d instances, want %d", test.late, n, test.want)
			}
		})
	}
}
