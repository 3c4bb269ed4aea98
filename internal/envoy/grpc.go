package envoy

import "github.com/doyen-mesh/doyen/internal/ir"

func grpcResources(p ir.Proxy) ([]Resource, error) { panic("skeleton") }
func envoyResources(p ir.Proxy) ([]Resource, error) { panic("skeleton") }

// Assignment encodes the endpoints of one target.
func Assignment(set ir.EndpointSet) (Resource, error) { panic("skeleton") }
