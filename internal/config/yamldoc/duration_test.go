package yamldoc

import (
	"testing"
	"time"
)

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		250 * time.Millisecond:  "250ms",
		10 * time.Second:        "10s",
		time.Minute:             "1m",
		90 * time.Second:        "1m30s",
		10 * time.Minute:        "10m",
		time.Hour:               "1h",
		10 * time.Hour:          "10h",
		time.Hour + time.Minute: "1h1m",
		time.Hour + time.Second: "1h0m1s",
	} {
		got := Duration(d).String()
		if got != want {
			t.Errorf("%v is written %s: want %s", d, got, want)
		}
		if back, err := time.ParseDuration(got); err != nil || back != d {
			t.Errorf("%s is read as %v, %v: want %v", got, back, err, d)
		}
	}
}
