package compile

import (
	"cmp"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
)

// The health check of services whose manifests have none: a connection, as often and as patiently as
// by the manifests' own defaults.
const (
	defaultHealthInterval = 5 * time.Second
	defaultHealthTimeout  = time.Second
)

// health is how callers of a service's i-th port ask for its health. Without a word in the manifest
// they see whether a connection can be made: an instance that was killed must not be tried again each
// time its ejection ends, until its lease does.
func health(s *config.Service, i int) *ir.Health {
	if s.Health == nil {
		return &ir.Health{TCP: true, Interval: defaultHealthInterval, Timeout: defaultHealthTimeout}
	}
	asked := s.Ports[healthPort(s)]
	h := &ir.Health{
		HTTP: s.Health.HTTP, GRPC: s.Health.GRPC, TCP: s.Health.TCP,
		Interval: time.Duration(s.Health.Interval), Timeout: time.Duration(s.Health.Timeout),
	}
	switch {
	case h.HTTP != "":
		h.Host, h.HTTP2 = healthHost(s), asked.Protocol.IsHTTP2()
	case h.GRPC != nil && !s.Ports[i].Protocol.IsHTTP2():
		// Envoy makes health checks over the connections of the checked port's protocol, and a gRPC
		// check needs HTTP/2. This port has none, so that only a connection can be asked for.
		h.GRPC, h.TCP = nil, true
	case h.GRPC != nil:
		h.Host = healthHost(s)
	}
	return h
}

// healthHost is the host that health checks name: the same for callers and for the agent.
func healthHost(s *config.Service) string { return cmp.Or(s.Health.Host, s.Name) }

// healthPort is the index of the port that health checks go to.
func healthPort(s *config.Service) int {
	if s.Health == nil || s.Health.Port == "" {
		return 0
	}
	return max(0, slices.IndexFunc(s.Ports, func(p config.Port) bool { return p.Name == s.Health.Port }))
}
