package csds

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/doyen-mesh/doyen/xds"
)

// client is the streams of one node, as one.
type client struct {
	node      *xds.Node
	resources map[xds.Ref]xds.ResourceStatus
}

func newClient(node *xds.Node) *client {
	return &client{node: node, resources: map[xds.Ref]xds.ResourceStatus{}}
}

// add takes what one of the node's streams has. Where several ask for the same resource, the one
// that is furthest behind counts.
func (c *client) add(s xds.StreamResources) {
	for typeURL, all := range s.Types {
		for _, r := range all {
			ref := xds.Ref{Type: typeURL, Name: r.Name}
			if known, ok := c.resources[ref]; !ok || behind(r.State) > behind(known.State) {
				c.resources[ref] = r
			}
		}
	}
}

// behind ranks states by how much they call for a look.
func behind(s xds.DeliveryState) int {
	return slices.Index([]xds.DeliveryState{xds.Missing, xds.Accepted, xds.Unanswered, xds.NotSent, xds.Refused}, s)
}

func (c *client) config(contents bool) *statusv3.ClientConfig {
	config := &statusv3.ClientConfig{Node: c.node.Proto}
	refs := slices.SortedFunc(maps.Keys(c.resources), func(a, b xds.Ref) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	for _, ref := range refs {
		config.GenericXdsConfigs = append(config.GenericXdsConfigs, generic(ref, c.resources[ref], contents))
	}
	return config
}

// states are the service's words for how far a resource is.
var states = map[xds.DeliveryState]statusv3.ConfigStatus{
	xds.NotSent:    statusv3.ConfigStatus_NOT_SENT,
	xds.Unanswered: statusv3.ConfigStatus_STALE,
	xds.Accepted:   statusv3.ConfigStatus_SYNCED,
	xds.Refused:    statusv3.ConfigStatus_ERROR,
	xds.Missing:    statusv3.ConfigStatus_NOT_SENT,
}

// generic describes a resource: its current content, also where the client refused that. One that the client is to
// give up has no version and no content.
func generic(ref xds.Ref, r xds.ResourceStatus, contents bool) *statusv3.ClientConfig_GenericXdsConfig {
	g := &statusv3.ClientConfig_GenericXdsConfig{TypeUrl: ref.Type, Name: ref.Name, ConfigStatus: states[r.State]}
	contents = contents && ref.Type != xds.SecretType
	if r.Current != nil {
		g.VersionInfo = r.Current.Version()
		if contents {
			g.XdsConfig = &anypb.Any{TypeUrl: ref.Type, Value: r.Current.Body()}
		}
	}
	if r.State == xds.Missing {
		g.ClientStatus = adminv3.ClientResourceStatus_DOES_NOT_EXIST
	}
	if r.State == xds.Refused {
		g.ErrorState = failure(g, r.Rejection)
	}
	return g
}

// failure says why g was refused, as far as that is known.
func failure(g *statusv3.ClientConfig_GenericXdsConfig, r *xds.Rejection) *adminv3.UpdateFailureState {
	f := &adminv3.UpdateFailureState{FailedConfiguration: g.XdsConfig, VersionInfo: g.VersionInfo}
	if r != nil {
		f.Details, f.LastUpdateAttempt = strings.ToValidUTF8(r.Message, "?"), timestamppb.New(r.Time)
	}
	return f
}
