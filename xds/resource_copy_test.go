package xds

import (
	"runtime"
	"testing"
)

// TestNewResourceCopiesOnce makes a resource of a large body. Its bytes are copied into the resource, and not again to
// compute the version.
func TestNewResourceCopiesOnce(t *testing.T) {
	body := make([]byte, 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := NewResource(EndpointType, "users", body, ResourceOptions{})
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > uint64(len(body))*3/2 {
		t.Errorf("a resource of %d bytes allocates %d", len(body), bytes)
	}
	runtime.KeepAlive(r)
}
