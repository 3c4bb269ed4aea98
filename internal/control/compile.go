package control

import (
	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// compile makes every wanted view of the documents and the snapshots that differ from those published:
// nil for a view that nobody wants any more.
func (c *Control) compile(documents *config.Snapshot, last *State, wanted map[string]mesh.Node) (map[string]*View, map[string]*xds.Snapshot) {
	made := make(map[string]*View, len(wanted))
	snapshots := map[string]*xds.Snapshot{}
	for key, node := range wanted {
		had := last.Views[key]
		if had != nil && last.Documents == documents {
			made[key] = had
			continue
		}
		view, snapshot := c.view(documents, node, had)
		made[key] = view
		if snapshot != nil {
			snapshots[key] = snapshot
		}
	}
	for key := range last.Views {
		if made[key] == nil {
			snapshots[key] = nil
		}
	}
	return made, snapshots
}

// view compiles one view. On an error it is what it was, with the error.
func (c *Control) view(documents *config.Snapshot, node mesh.Node, had *View) (*View, *xds.Snapshot) {
	resources, err := resources(documents, node)
	if err != nil {
		c.log.Warn("view cannot be compiled", "role", node.Role, "service", node.Service, "edge", node.Edge, "error", err)
		kept := View{Node: node, Err: err}
		if had != nil {
			kept.Revision, kept.Origins = had.Revision, had.Origins
		}
		return &kept, nil
	}
	origins := make(map[xds.Ref]mesh.Origin, len(resources))
	all := make([]*xds.Resource, len(resources))
	for i, r := range resources {
		all[i] = r.Resource
		origins[xds.Ref{Type: r.Type(), Name: r.Name()}] = r.Origin
	}
	return &View{Node: node, Revision: documents.Revision, Origins: origins}, xds.NewSnapshot(all...)
}

func resources(documents *config.Snapshot, node mesh.Node) ([]envoy.Resource, error) {
	proxy, err := compile.Compile(&documents.Documents, mesh.View{Node: node, Revision: documents.Revision})
	if err != nil {
		return nil, err
	}
	return envoy.Resources(proxy)
}
