package lease

import (
	"errors"
	"log/slog"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// checkInLog logs check-ins where something changed, not each.
type checkInLog struct {
	log     *slog.Logger
	state   registry.State // of the last check-in that was answered
	warning string         // of that answer
	failure string         // the last error; "" when the last check-in was answered
}

func (c *checkInLog) checkIn(i registry.Instance, answer api.CheckedIn, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	if c.failure != "" || c.state != i.State {
		c.log.Info("checked in", "state", i.State, "address", i.Address)
	}
	if answer.Warning != "" && answer.Warning != c.warning {
		c.log.Warn("check-in accepted with a warning", "warning", answer.Warning)
	}
	c.failure, c.warning, c.state = "", answer.Warning, i.State
}

// fail logs a failure when it begins, and each new refusal: a server that is away comes back, and one
// that says no has to be heard.
func (c *checkInLog) fail(err error) {
	var refused *httpapi.Refused
	isRefusal := errors.As(err, &refused) && !refused.Temporary()
	switch first := c.failure == ""; {
	case isRefusal && c.failure != err.Error():
		c.log.Error("the server refuses the check-in: trying again less and less often", "error", err)
	case !isRefusal && first:
		c.log.Warn("check-in goes unanswered: trying again", "error", err)
	}
	c.failure = err.Error()
}
