package config

import (
	"reflect"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

// Traffic is how calls are made. An absent field takes the value of the next wider place: the call or edge
// route, then the called Service or External, then the Mesh's defaults, then the built-in default given
// here.
//
// Besides the tags of package yamldoc, these drive the resolver:
//
//	bound     the field of Bounds that limits the value
//	zero      what 0 means if it is not a quantity; "no limit" is above every bound
//	requests  "only": the setting has no meaning for tcp, which has no requests
type Traffic struct {
	// How long a request may take in all, retries included; 0s sets no limit, as long streams need.
	// It does not apply to tcp.
	Timeout yamldoc.Setting[Duration] `json:"timeout,omitzero" range:"0s-24h" default:"15s" bound:"maxTimeout" zero:"no limit" requests:"only" example:"2s"`

	// How long it may take to open a connection.
	ConnectTimeout yamldoc.Setting[Duration] `json:"connectTimeout,omitzero" range:"1ms-1m" default:"1s" example:"250ms"`

	// Which failed requests are tried again, and how often. It does not apply to tcp. A number alone is the
	// number of attempts; 0 is off.
	Retries Retries `json:"retries,omitzero" requests:"only" example:"{attempts: 1, on: reset}"`

	// How much one proxy may have in progress to the service at once. Anything above fails immediately.
	CircuitBreaker CircuitBreaker `json:"circuitBreaker,omitzero" example:"{requests: 200}"`

	// How long a new instance, or one that is healthy again, takes to get its full share of requests; 0s sends it
	// the full share at once. During that time its share grows evenly, from a tenth.
	SlowStart yamldoc.Setting[Duration] `json:"slowStart,omitzero" range:"0s-15m" default:"0s" bound:"maxSlowStart" zero:"off" example:"30s"`

	// When an instance that answers badly is left out for a while. A number alone is consecutiveErrors; 0 is off.
	Outliers Outliers `json:"outliers,omitzero" example:"{consecutiveErrors: 3, ejectFor: 10s}"`
}

// Retries say which failed requests are tried again. The built-in conditions are those in which no
// instance has begun to work on the request, so that repeating it is always safe.
type Retries struct {
	// How often a request is tried again after the first time; 0 turns retries off.
	Attempts yamldoc.Setting[int] `json:"attempts,omitzero" unit:"retries" range:"0-10" default:"2" bound:"maxRetries" example:"1"`

	// The failures after which a request is tried again. The first three words are always safe; the others
	// repeat requests that an instance may have begun to work on. The last five are gRPC statuses, and the
	// only ones that proxyless gRPC programs act on.
	On yamldoc.Setting[[]string] `json:"on,omitzero" enum:"connect-failure,refused-stream,reset-before-request,reset,gateway-error,5xx,retriable-4xx,cancelled,deadline-exceeded,internal,resource-exhausted,unavailable" default:"connect-failure,refused-stream,reset-before-request" example:"[connect-failure, reset]"`

	// How long one attempt may take; 0s leaves each attempt all the time that the whole request has left.
	PerTryTimeout yamldoc.Setting[Duration] `json:"perTryTimeout,omitzero" range:"0s-24h" default:"0s" zero:"the whole request" example:"500ms"`
}

// CircuitBreaker limits what one proxy has in progress to one service at once.
type CircuitBreaker struct {
	// Open connections.
	Connections yamldoc.Setting[int] `json:"connections,omitzero" unit:"connections" range:"1-1000000" default:"1024" example:"200"`

	// Requests that wait for a connection.
	PendingRequests yamldoc.Setting[int] `json:"pendingRequests,omitzero" unit:"requests" range:"1-1000000" default:"1024" example:"100"`

	// Requests that wait for their answer.
	Requests yamldoc.Setting[int] `json:"requests,omitzero" unit:"requests" range:"1-1000000" default:"1024" example:"500"`

	// Retries in progress. This limits retry storms.
	Retries yamldoc.Setting[int] `json:"retries,omitzero" unit:"retries" range:"0-1000000" default:"3" example:"10"`
}

// Outliers say when a proxy leaves an instance out because of the answers that it got itself. Each proxy
// decides for itself.
type Outliers struct {
	// How many errors in a row are too many: answers 500-599, resets and failed connections.
	// 0 turns detection off.
	ConsecutiveErrors yamldoc.Setting[int] `json:"consecutiveErrors,omitzero" unit:"errors" range:"0-1000" default:"5" zero:"off" example:"3"`

	// The time between two evaluations. Instances are let back in at an evaluation, too.
	Interval yamldoc.Setting[Duration] `json:"interval,omitzero" range:"100ms-5m" default:"1s" example:"5s"`

	// How long an instance is left out the first time. Each further time adds the same again.
	EjectFor yamldoc.Setting[Duration] `json:"ejectFor,omitzero" range:"1s-1h" default:"30s" example:"10s"`

	// The largest share of a service's instances that is left out at once; one may always be.
	MaxEjectedPercent yamldoc.Setting[int] `json:"maxEjectedPercent,omitzero" unit:"percent" range:"0-100" default:"50" example:"30"`
}

// Bounds limit what Service, Edge and External documents may ask for. An absent bound is no bound.
type Bounds struct {
	// The longest timeout that may be asked for. Where it is set, no call may be without a timeout.
	MaxTimeout yamldoc.Setting[Duration] `json:"maxTimeout,omitzero" range:"1ms-24h" example:"60s"`

	// The most retries that may be asked for; 0 forbids them.
	MaxRetries yamldoc.Setting[int] `json:"maxRetries,omitzero" unit:"retries" range:"0-10" example:"3"`

	// The longest slow start that may be asked for.
	MaxSlowStart yamldoc.Setting[Duration] `json:"maxSlowStart,omitzero" range:"0s-15m" example:"5m"`
}

// IsZero reports whether nothing is set, so that an empty group means the same as an absent one.
func (t *Traffic) IsZero() bool { return t == nil || reflect.ValueOf(*t).IsZero() }
