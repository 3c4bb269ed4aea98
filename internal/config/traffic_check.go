package config

import (
	"fmt"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// traffic checks what stands at path for calls by a protocol, "" for calls of several.
func (c *checker) traffic(path string, t Traffic, protocol mesh.Protocol) {
	if protocol == mesh.TCP {
		c.onlyRequests(path, t)
		return
	}
	c.bounds(path, t)
	r := or(t.Retries)
	if t.Timeout != nil && *t.Timeout > 0 && r.PerTryTimeout != nil && *r.PerTryTimeout > *t.Timeout {
		c.reportWith(path+".retries.perTryTimeout", &yamldoc.Problem{
			Message:  fmt.Sprintf("perTryTimeout %s is longer than the timeout of the whole request, %s", *r.PerTryTimeout, *t.Timeout),
			Expected: fmt.Sprintf("at most %s", *t.Timeout),
		}, t.Origins["timeout"])
	}
}

// onlyRequests reports what has a meaning for requests only, where there are none.
func (c *checker) onlyRequests(path string, t Traffic) {
	refuse := func(field string) {
		c.report(path+"."+field, &yamldoc.Problem{Message: field + " has no meaning for tcp, which has no requests",
			Hint: "leave it out; connectTimeout, circuitBreaker and outliers hold for connections"})
	}
	if t.Timeout != nil {
		refuse("timeout")
	}
	if t.Retries != nil {
		refuse("retries")
	}
}

// bounds holds t to what the Mesh allows.
func (c *checker) bounds(path string, t Traffic) {
	bounds := c.docs.Mesh.Bounds
	if most := bounds.MaxTimeout; most != nil && t.Timeout != nil && exceeds(*t.Timeout, *most) {
		message := fmt.Sprintf("timeout %s is beyond the mesh's bound of %s", *t.Timeout, *most)
		if *t.Timeout == 0 {
			message = fmt.Sprintf("timeout 0s is no limit, and the mesh's bound is %s", *most)
		}
		c.reportWith(path+".timeout", &yamldoc.Problem{Message: message, Expected: fmt.Sprintf("at most %s", *most)}, bounds.Origins["maxTimeout"])
	}
	if most, n := bounds.MaxRetries, or(t.Retries).Attempts; most != nil && n != nil && *n > *most {
		c.reportWith(path+".retries.attempts", &yamldoc.Problem{
			Message:  fmt.Sprintf("%d retries are beyond the mesh's bound of %d", *n, *most),
			Expected: fmt.Sprintf("at most %d", *most),
		}, bounds.Origins["maxRetries"])
	}
}

// exceeds reports whether a timeout is beyond a bound; 0 is no limit, beyond every bound.
func exceeds(timeout, bound Duration) bool { return timeout == 0 || timeout > bound }
