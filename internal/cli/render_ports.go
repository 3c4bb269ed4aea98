package cli

import (
	"fmt"
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// unknownPort returns an error if a port was given for a name that the node's documents do not have: otherwise it
// would be ignored silently. The documents must have the node.
func unknownPort(node mesh.Node, docs *config.Documents) error {
	var served, called, listeners []string
	who := string(node.Role) + " "
	if node.Role == mesh.EdgeProxy {
		who += string(node.Edge)
		for _, l := range docs.Edges.Get(node.Edge).Listeners {
			listeners = append(listeners, l.Name)
		}
	} else {
		who += string(node.Service)
		service := docs.Services.Get(node.Service)
		for _, p := range service.Ports {
			served = append(served, string(p.Name))
		}
		for _, c := range service.Calls {
			if docs.LocalPort(c) != 0 {
				called = append(called, string(c.To))
			}
		}
	}
	for _, flag := range []struct {
		name         string
		given, known []string
	}{
		{"ingress-port", names(maps.Keys(node.Ports.Ingress)), served},
		{"port", names(maps.Keys(node.Ports.App)), served},
		{"tcp-port", names(maps.Keys(node.Ports.TCP)), called},
		{"listener-port", names(maps.Keys(node.Ports.Edge)), listeners},
	} {
		for _, name := range flag.given {
			if slices.Contains(flag.known, name) {
				continue
			}
			has := "it has none"
			if flag.known != nil {
				has = "it has " + some(flag.known, 8)
			}
			return &hinted{fmt.Errorf("--%s %s: %s has nothing of that name", flag.name, name, who), has}
		}
	}
	return nil
}
