package xds

import (
	"strings"
	"testing"
)

// A resource of another type must never be sent as one of the cache's (C013).
func TestLinearCacheRefusesOtherTypes(t *testing.T) {
	good := NewResource(ClusterType, "a", nil, ResourceOptions{})
	alien := NewResource(EndpointType, "b", nil, ResourceOptions{})
	for name, do := range map[string]func(*LinearCache){
		"put":     func(c *LinearCache) { c.Put(alien) },
		"update":  func(c *LinearCache) { c.Update([]*Resource{alien}, []string{"a"}) },
		"replace": func(c *LinearCache) { c.Replace([]*Resource{alien}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := NewLinearCache(ClusterType)
			c.Put(good)
			defer func() {
				message, _ := recover().(string)
				if !strings.Contains(message, alien.Name()) || !strings.Contains(message, EndpointType) || !strings.Contains(message, ClusterType) {
					t.Errorf("panic %q does not say which resource, of which type, in which cache", message)
				}
				if c.Get("a") != good || len(c.Resources()) != 1 {
					t.Errorf("the cache has changed: %v", c.Resources())
				}
			}()
			do(c)
		})
	}
}
