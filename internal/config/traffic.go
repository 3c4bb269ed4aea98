package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Traffic is how calls are made. An absent field takes the value of the next wider place: the call or edge
// route, then the called Service or External, then the Mesh's defaults, then the built-in default given
// here.
type Traffic struct {
	// How long a request may take in all, retries included; 0s sets no limit, as long streams need.
	// Nothing for tcp.
	Timeout *Duration `json:"timeout,omitempty" range:"0s-24h" default:"15s" example:"2s"`

	// How long a connection may take to be made.
	ConnectTimeout *Duration `json:"connectTimeout,omitempty" range:"1ms-1m" default:"1s" example:"250ms"`

	// Which failed requests are tried again, and how often. Nothing for tcp. A number alone is the number
	// of attempts; 0 is off.
	Retries *Retries `json:"retries,omitempty" example:"{attempts: 1, on: reset}"`

	// How much one proxy may have under way to the service at once; what goes beyond is refused at once.
	CircuitBreaker *CircuitBreaker `json:"circuitBreaker,omitempty" example:"{requests: 200}"`

	// When an instance that answers badly is left out for a while. A number alone is consecutiveErrors; 0 is off.
	Outliers *Outliers `json:"outliers,omitempty" example:"{consecutiveErrors: 3, ejectFor: 10s}"`

	// Origins holds the place of each field that is set, by its path from here: timeout, retries.attempts.
	Origins map[string]mesh.Origin `json:"-"`
}

// Retries say which failed requests are tried again. The built-in conditions are those in which no
// instance has begun to work on the request, so that repeating it is always safe.
type Retries struct {
	// How often a request is tried again after the first time; 0 turns retries off.
	Attempts *int `json:"attempts,omitempty" unit:"retries" range:"0-10" default:"2" example:"1"`

	// The failures after which a request is tried again. The first three words are always safe; the others
	// repeat requests that an instance may have begun to work on. The last five are gRPC statuses, and the
	// only ones that proxyless gRPC programs act on.
	On []string `json:"on,omitempty" enum:"connect-failure,refused-stream,reset-before-request,reset,gateway-error,5xx,retriable-4xx,cancelled,deadline-exceeded,internal,resource-exhausted,unavailable" default:"connect-failure,refused-stream,reset-before-request" example:"[connect-failure, reset]"`

	// How long one attempt may take; 0s leaves each attempt all the time that the whole request has left.
	PerTryTimeout *Duration `json:"perTryTimeout,omitempty" range:"0s-24h" default:"0s" example:"500ms"`
}

// CircuitBreaker limits what one proxy has under way to one service at once.
type CircuitBreaker struct {
	// Connections that are open.
	Connections *int `json:"connections,omitempty" unit:"connections" range:"1-1000000" default:"1024" example:"200"`

	// Requests that wait for a connection.
	PendingRequests *int `json:"pendingRequests,omitempty" unit:"requests" range:"1-1000000" default:"1024" example:"100"`

	// Requests that wait for their answer.
	Requests *int `json:"requests,omitempty" unit:"requests" range:"1-1000000" default:"1024" example:"500"`

	// Retries that are under way; the brake on retry storms.
	Retries *int `json:"retries,omitempty" unit:"retries" range:"0-1000000" default:"3" example:"10"`
}

// Outliers say when a proxy leaves an instance out because of what it itself has seen of it. Each proxy
// judges by itself.
type Outliers struct {
	// How many errors in a row are too many: answers 500-599, resets and connections that cannot be made.
	// 0 turns detection off.
	ConsecutiveErrors *int `json:"consecutiveErrors,omitempty" unit:"errors" range:"0-1000" default:"5" example:"3"`

	// The time from one look to the next, in which instances are let back in too.
	Interval *Duration `json:"interval,omitempty" range:"100ms-5m" default:"1s" example:"5s"`

	// How long an instance is left out the first time; each further time it is that much longer.
	EjectFor *Duration `json:"ejectFor,omitempty" range:"1s-1h" default:"30s" example:"10s"`

	// The largest share of a service's instances that is left out at once; one may always be.
	MaxEjectedPercent *int `json:"maxEjectedPercent,omitempty" unit:"percent" range:"0-100" default:"50" example:"30"`
}
