package config

import (
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Value is one effective value and the place that decided it.
type Value[T any] struct {
	Value  T
	Origin mesh.Origin // zero: the built-in default
}

// BuiltIn reports whether no document decided the value.
func (v Value[T]) BuiltIn() bool { return v.Origin == mesh.Origin{} }

// Effective is Traffic with every value decided.
type Effective struct {
	Timeout        Value[time.Duration] // 0: no limit
	ConnectTimeout Value[time.Duration]
	Retries        EffectiveRetries
	CircuitBreaker EffectiveCircuitBreaker
	Outliers       EffectiveOutliers
}

// EffectiveRetries is Retries with every value decided.
type EffectiveRetries struct {
	Attempts      Value[int] // 0: off
	On            Value[[]string]
	PerTryTimeout Value[time.Duration] // 0: no limit of its own
}

// EffectiveCircuitBreaker is CircuitBreaker with every value decided.
type EffectiveCircuitBreaker struct {
	Connections, PendingRequests, Requests, Retries Value[int]
}

// EffectiveOutliers is Outliers with every value decided.
type EffectiveOutliers struct {
	ConsecutiveErrors  Value[int] // 0: off
	Interval, EjectFor Value[time.Duration]
	MaxEjectedPercent  Value[int]
}

// builtIn is what holds where no document says anything: the default tags of Traffic. Never written to.
var builtIn = func() (t Traffic) {
	reader.Defaults(&t)
	return t
}()

// Resolve decides every value of one call. The layers go from the narrowest place to the widest:
//
//	Resolve(call.Traffic, callee.Traffic, docs.Mesh.Defaults)
//
// Each value comes from the first layer that sets it, by itself: a call that only sets
// retries.attempts takes retries.on from further out. The built-in default stands behind all layers.
func Resolve(layers ...Traffic) Effective {
	l := append(slices.Clip(layers), builtIn)
	return Effective{
		Timeout:        span(l, "timeout", func(t Traffic) *Duration { return t.Timeout }),
		ConnectTimeout: span(l, "connectTimeout", func(t Traffic) *Duration { return t.ConnectTimeout }),
		Retries: EffectiveRetries{
			Attempts:      count(l, "retries.attempts", func(t Traffic) *int { return or(t.Retries).Attempts }),
			On:            words(l, "retries.on", func(t Traffic) []string { return or(t.Retries).On }),
			PerTryTimeout: span(l, "retries.perTryTimeout", func(t Traffic) *Duration { return or(t.Retries).PerTryTimeout }),
		},
		CircuitBreaker: EffectiveCircuitBreaker{
			Connections:     count(l, "circuitBreaker.connections", func(t Traffic) *int { return or(t.CircuitBreaker).Connections }),
			PendingRequests: count(l, "circuitBreaker.pendingRequests", func(t Traffic) *int { return or(t.CircuitBreaker).PendingRequests }),
			Requests:        count(l, "circuitBreaker.requests", func(t Traffic) *int { return or(t.CircuitBreaker).Requests }),
			Retries:         count(l, "circuitBreaker.retries", func(t Traffic) *int { return or(t.CircuitBreaker).Retries }),
		},
		Outliers: EffectiveOutliers{
			ConsecutiveErrors: count(l, "outliers.consecutiveErrors", func(t Traffic) *int { return or(t.Outliers).ConsecutiveErrors }),
			Interval:          span(l, "outliers.interval", func(t Traffic) *Duration { return or(t.Outliers).Interval }),
			EjectFor:          span(l, "outliers.ejectFor", func(t Traffic) *Duration { return or(t.Outliers).EjectFor }),
			MaxEjectedPercent: count(l, "outliers.maxEjectedPercent", func(t Traffic) *int { return or(t.Outliers).MaxEjectedPercent }),
		},
	}
}

// or is *p, or the zero value where p is nil: all of its fields are then unset.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func count(layers []Traffic, path string, get func(Traffic) *int) Value[int] {
	for _, t := range layers {
		if v := get(t); v != nil {
			return Value[int]{*v, t.Origins[path]}
		}
	}
	return Value[int]{}
}

func span(layers []Traffic, path string, get func(Traffic) *Duration) Value[time.Duration] {
	for _, t := range layers {
		if v := get(t); v != nil {
			return Value[time.Duration]{time.Duration(*v), t.Origins[path]}
		}
	}
	return Value[time.Duration]{}
}

func words(layers []Traffic, path string, get func(Traffic) []string) Value[[]string] {
	for _, t := range layers {
		if v := get(t); v != nil {
			return Value[[]string]{v, t.Origins[path]}
		}
	}
	return Value[[]string]{}
}
