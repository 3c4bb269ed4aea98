package agent

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
)

// A manifest may be so new that the server has not read it yet: that there is none is believed after a
// while only.
func TestNewDocument(t *testing.T) {
	none := &httpapi.Refused{Status: 404}
	for _, test := range []struct {
		name  string
		there time.Duration // after the start
		want  error
	}{
		{"it is there", 0, nil},
		{"it comes", 2 * time.Second, nil},
		{"it does not come", time.Hour, none},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				asking := startAsking(slog.New(slog.DiscardHandler), func(context.Context) (string, error) {
					if time.Since(start) < test.there {
						return "", none
					}
					return "users", nil
				})
				defer asking.stop()
				d := <-asking.answers
				if !errors.Is(d.err, test.want) {
					t.Errorf("after %v: error %v, want %v", time.Since(start), d.err, test.want)
				}
				if took := time.Since(start); took >= headStart {
					t.Errorf("it took %v: the application would start without an answer", took)
				}
			})
		})
	}
}
