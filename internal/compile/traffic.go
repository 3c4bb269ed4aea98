package compile

import (
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// route is how requests below path are sent to target.
func route(path string, target ir.Target, protocol mesh.Protocol, t config.Effective, origin mesh.Origin) ir.Route {
	if protocol == mesh.TCP {
		return ir.Route{Path: path, Target: target, Protocol: protocol, Origin: origin}
	}
	return ir.Route{
		Path: path, Target: target, Protocol: protocol,
		Timeout: t.Timeout.Value, Retries: retries(t.Retries), Origin: origin,
	}
}

func retries(r config.EffectiveRetries) *ir.Retries {
	if r.Attempts.Value == 0 || len(r.On.Value) == 0 {
		return nil
	}
	return &ir.Retries{Attempts: r.Attempts.Value, On: r.On.Value, PerTryTimeout: r.PerTryTimeout.Value}
}

func limits(c config.EffectiveCircuitBreaker) *ir.Limits {
	return &ir.Limits{
		Connections:     c.Connections.Value,
		PendingRequests: c.PendingRequests.Value,
		Requests:        c.Requests.Value,
		Retries:         c.Retries.Value,
	}
}

func outliers(o config.EffectiveOutliers) *ir.Outliers {
	if o.ConsecutiveErrors.Value == 0 {
		return nil
	}
	return &ir.Outliers{
		ConsecutiveErrors: o.ConsecutiveErrors.Value,
		Interval:          o.Interval.Value,
		EjectFor:          o.EjectFor.Value,
		MaxEjectedPercent: o.MaxEjectedPercent.Value,
	}
}
