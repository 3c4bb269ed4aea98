package agent

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
)

// Pauses between questions to a server that does not answer.
const (
	firstAsk = 250 * time.Millisecond
	lastAsk  = 5 * time.Second
)

// describe asks the server for the service until it answers. The error is the server's refusal, such
// as that the service has no manifest, or the end of ctx.
func describe(ctx context.Context, c *client.Client, o Options) (api.Service, error) {
	retry, told := backoff{first: firstAsk, last: lastAsk}, false
	for {
		service, err := describeOnce(ctx, c, o)
		var refused *client.Refused
		switch {
		case err == nil:
			return service, nil
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
			return api.Service{}, err
		case !told:
			o.Log.Warn("waiting for a server to say what this service is", "service", o.Service, "error", err)
			told = true
		}
		if !sleep(ctx, retry.pause()) {
			return api.Service{}, ctx.Err()
		}
	}
}

func describeOnce(ctx context.Context, c *client.Client, o Options) (api.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.Service(ctx, string(o.Service))
}
