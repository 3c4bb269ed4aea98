package compile

import (
	"cmp"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
)

// defaultHealthTimeout is the timeout of the health check of a service whose manifest has none, as in manifests.
const defaultHealthTimeout = time.Second

// health returns how callers of a service's i-th port check its health. If the manifest says nothing, they check
// whether they can connect. Otherwise a killed instance would be tried again each time that its ejection ends, until
// its lease ends.
func health(s *config.Service, i int) *ir.Health {
	if s.Health == nil {
		return &ir.Health{TCP: true, Interval: config.DefaultHealthInterval, Timeout: defaultHealthTimeout}
	}
	asked := s.Ports[healthPort(s)]
	h := &ir.Health{
		HTTP: s.Health.HTTP, GRPC: s.Health.GRPC, TCP: s.Health.TCP,
		Interval: time.Duration(s.Health.CallersInterval()), Timeout: time.Duration(s.Health.Timeout),
	}
	switch {
	case h.HTTP != "":
		h.Host, h.HTTP2 = healthHost(s), asked.Protocol.IsHTTP2()
	case h.GRPC != nil && !s.Ports[i].Protocol.IsHTTP2():
		// Envoy makes health checks over connections with the protocol of the port, and a gRPC check needs HTTP/2.
		// This port does not support it, so only a TCP check is possible.
		h.GRPC, h.TCP = nil, true
	case h.GRPC != nil:
		h.Host = healthHost(s)
	}
	return h
}

// healthHost returns the host that health checks use, the same for callers and for the agent.
func healthHost(s *config.Service) string { return cmp.Or(s.Health.Host, s.Name) }

// healthPort returns the index of the port that is checked.
func healthPort(s *config.Service) int {
	if s.Health == nil || s.Health.Port == "" {
		return 0
	}
	return max(0, slices.IndexFunc(s.Ports, func(p config.Port) bool { return p.Name == s.Health.Port }))
}
