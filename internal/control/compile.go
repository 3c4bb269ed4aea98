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
	made, snapshot, err := newView(documents, node)
	if err == nil {
		return made, snapshot
	}
	c.log.Warn("view cannot be compiled", "role", node.Role, "service", node.Service, "edge", node.Edge, "error", err)
	kept := View{Node: node}
	if had != nil {
		kept = *had
	}
	kept.Err = err
	return &kept, nil
}

func newView(documents *config.Snapshot, node mesh.Node) (*View, *xds.Snapshot, error) {
	proxy, err := compile.Compile(&documents.Documents, mesh.View{Node: node, Revision: documents.Revision})
	if err != nil {
		return nil, nil, err
	}
	resources, err := envoy.Resources(proxy)
	if err != nil {
		return nil, nil, err
	}
	view := &View{Node: node, Revision: documents.Revision, Unreachable: proxy.Unreachable, Origins: map[xds.Ref]mesh.Origin{}}
	all := make([]*xds.Resource, len(resources))
	for i, r := range resources {
		all[i] = r.Resource
		view.Origins[xds.Ref{Type: r.Type(), Name: r.Name()}] = r.Origin
	}
	return view, xds.NewSnapshot(all...), nil
}
