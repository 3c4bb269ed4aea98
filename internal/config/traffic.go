package config

import (
	"reflect"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

// In addition to the tags of package yamldoc, the resolver reads these tags of the fields below:
//
//	bound     the field of Bounds that limits the value
//	zero      what 0 means if it is not a quantity; "no limit" is above every bound
//	requests  "only": the setting does not apply to tcp, which has no requests
//	callers   "same": all callers of a service share the setting, so only its manifest and the Mesh can set it

// Traffic sets how calls are made. Each setting comes from the first of these that sets it: the call or edge
// route, the called Service or External, the Mesh's defaults, the built-in default shown here.
type Traffic struct {
	// How long a request may take in total, including retries; 0s sets no limit, as long streams need.
	// It does not apply to tcp.
	Timeout yamldoc.Setting[Duration] `json:"timeout,omitzero" range:"0s-24h" default:"15s" bound:"maxTimeout" zero:"no limit" requests:"only" example:"2s"`

	// How long it may take to open a connection.
	ConnectTimeout yamldoc.Setting[Duration] `json:"connectTimeout,omitzero" range:"1ms-1m" default:"1s" example:"250ms"`

	// Which failed requests are retried, and how often. It does not apply to tcp. A number alone is the
	// number of attempts; 0 turns retries off.
	Retries Retries `json:"retries,omitzero" requests:"only" example:"{attempts: 1, on: reset}"`

	// How many connections and requests to the service one proxy may have at once. Requests above the limits
	// fail immediately.
	CircuitBreaker CircuitBreaker `json:"circuitBreaker,omitzero" example:"{requests: 200}"`

	// How long it takes until a new instance, or one that is healthy again, gets its full share of requests. The
	// share grows linearly from a tenth. With 0s, the instance gets its full share immediately.
	SlowStart yamldoc.Setting[Duration] `json:"slowStart,omitzero" range:"0s-15m" default:"0s" bound:"maxSlowStart" zero:"off" example:"30s"`

	// Which instances of a service get the calls. With near, those in the caller's zone, then those in its region, as long
	// as enough of them are healthy; see [Zones and networks](../zones.md). With none, all alike. Calls and externals cannot set it.
	Locality yamldoc.Setting[string] `json:"locality,omitzero" enum:"near,none" default:"near" callers:"same" example:"none"`

	// When an instance that returns errors is ejected for a while. A number alone is consecutiveErrors; 0 turns
	// detection off.
	Outliers Outliers `json:"outliers,omitzero" example:"{consecutiveErrors: 3, ejectFor: 10s}"`
}

// Retries set which failed requests are retried. With the built-in conditions, a request is retried only if
// no instance has begun to work on it, so retrying it is always safe.
type Retries struct {
	// How often a request is retried; 0 turns retries off.
	Attempts yamldoc.Setting[int] `json:"attempts,omitzero" unit:"retries" range:"0-10" default:"2" bound:"maxRetries" example:"1"`

	// The failures after which a request is retried. The first three are always safe; the others
	// retry requests that an instance may have begun to work on. The last five are gRPC statuses, and the
	// only ones that proxyless gRPC programs support.
	On yamldoc.Setting[[]string] `json:"on,omitzero" enum:"connect-failure,refused-stream,reset-before-request,reset,gateway-error,5xx,retriable-4xx,cancelled,deadline-exceeded,internal,resource-exhausted,unavailable" default:"connect-failure,refused-stream,reset-before-request" example:"[connect-failure, reset]"`

	// How long one attempt may take; with 0s, only the timeout of the whole request applies.
	PerTryTimeout yamldoc.Setting[Duration] `json:"perTryTimeout,omitzero" range:"0s-24h" default:"0s" zero:"the whole request" example:"500ms"`
}

// CircuitBreaker limits the connections and requests that one proxy has to one service at once.
type CircuitBreaker struct {
	// Open connections.
	Connections yamldoc.Setting[int] `json:"connections,omitzero" unit:"connections" range:"1-1000000" default:"1024" example:"200"`

	// Requests that are waiting for a connection.
	PendingRequests yamldoc.Setting[int] `json:"pendingRequests,omitzero" unit:"requests" range:"1-1000000" default:"1024" example:"100"`

	// Requests that are waiting for a response.
	Requests yamldoc.Setting[int] `json:"requests,omitzero" unit:"requests" range:"1-1000000" default:"1024" example:"500"`

	// Retries in progress. This limit prevents retry storms. The default grows with the number of
	// requests; a number is a fixed limit.
	Retries yamldoc.Setting[int] `json:"retries,omitzero" unit:"retries" range:"0-1000000" unset:"20 % of the requests of the last second, at least 10" example:"10"`
}

// Outliers set when a proxy ejects an instance because of the responses that the proxy received from it. Each
// proxy decides independently.
type Outliers struct {
	// The number of errors in a row after which an instance is ejected: responses 500-599, resets and failed
	// connections. 0 turns detection off.
	ConsecutiveErrors yamldoc.Setting[int] `json:"consecutiveErrors,omitzero" unit:"errors" range:"0-1000" default:"5" zero:"off" example:"3"`

	// The time between two evaluations. Ejected instances also return at an evaluation.
	Interval yamldoc.Setting[Duration] `json:"interval,omitzero" range:"100ms-5m" default:"1s" example:"5s"`

	// How long an instance is ejected the first time. Each further ejection is longer by the same time.
	EjectFor yamldoc.Setting[Duration] `json:"ejectFor,omitzero" range:"1s-1h" default:"30s" example:"10s"`

	// The largest share of a service's instances that may be ejected at once. One instance may always be ejected.
	MaxEjectedPercent yamldoc.Setting[int] `json:"maxEjectedPercent,omitzero" unit:"percent" range:"0-100" default:"50" example:"30"`
}

// Bounds limit the settings in Service, Edge and External documents. A field that is not set sets no limit.
type Bounds struct {
	// The longest allowed timeout. If it is set, every call must have a timeout.
	MaxTimeout yamldoc.Setting[Duration] `json:"maxTimeout,omitzero" range:"1ms-24h" example:"60s"`

	// The largest allowed number of retries; 0 forbids retries.
	MaxRetries yamldoc.Setting[int] `json:"maxRetries,omitzero" unit:"retries" range:"0-10" example:"3"`

	// The longest allowed slow start.
	MaxSlowStart yamldoc.Setting[Duration] `json:"maxSlowStart,omitzero" range:"0s-15m" example:"5m"`
}

// IsZero reports whether nothing is set, so that an empty group means the same as an absent one.
func (t *Traffic) IsZero() bool { return t == nil || reflect.ValueOf(*t).IsZero() }
