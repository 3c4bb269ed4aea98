package agent

import (
	"context"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
)

// callersGrace is how long the answer to a health check may take to have an effect everywhere at a caller.
const callersGrace = 500 * time.Millisecond

// leave takes the instance out of the registry, and waits until its callers' proxies have acknowledged that. When the
// application has ended there is nothing to wait for.
func (i *instance) leave(ctx context.Context) {
	select {
	case <-i.member.known:
	default:
		return
	}
	if i.member.value.lease == nil {
		i.Log.Info("stopping: draining, then ending the application")
		return
	}
	wait := i.DrainTimeout / 2
	select {
	case <-i.ended.known:
		ctx, wait = context.WithoutCancel(ctx), 0
	default:
		i.Log.Info("stopping: leaving the registry, draining, then ending the application")
	}
	i.left = i.member.value.lease.Leave(ctx, wait, func() {
		if envoy := i.member.value.envoy; envoy != nil && wait > 0 {
			i.warned = time.Now()
			envoy.FailHealthCheck(ctx)
		}
	})
}

// drain lets requests in flight finish. Callers that no server has told of the end learn it from Envoy. Once they had
// time for that, they are refused new connections: a gRPC program, which does not check health, then chooses another instance.
func (i *instance) drain(ctx context.Context) {
	select {
	case <-i.ended.known:
		return
	case <-i.started.known:
	default:
		return
	}
	select {
	case <-i.member.known:
		called := i.member.value.lease != nil
		if called && !i.left {
			i.waitForCallers(ctx)
		}
		i.member.value.envoy.Drain(ctx, called && !i.left)
	default:
	}
}

// waitForCallers waits until the Envoys that call this instance have seen that it is draining: a failed health check, or
// a response that says so. Two intervals of their health checks are enough, and some time for the answers. At most half of
// the time that is left is spent.
func (i *instance) waitForCallers(ctx context.Context) {
	enough := 2*i.member.value.plan.callersCheck + callersGrace
	if deadline, ok := ctx.Deadline(); ok {
		enough = min(enough, time.Until(deadline)/2+time.Since(i.warned))
	}
	if rest := enough - time.Since(i.warned); rest > 0 {
		i.Log.Info("no server tells the callers: waiting until their proxies see that this instance is draining", "wait", rest.Round(time.Millisecond).String())
		backoff.Sleep(ctx, rest)
	}
}
