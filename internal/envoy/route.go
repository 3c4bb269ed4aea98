package envoy

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// routes returns all route configurations that listeners find by discovery.
func (e encoder) routes() []part {
	switch {
	case e.proxy.Egress != nil:
		egress := *e.proxy.Egress
		return []part{{
			Ref: xds.Ref{Type: xds.RouteType, Name: EgressName}, origin: egress.Origin, from: []any{egress.Hosts, egress.NoRoute},
			build: func() (proto.Message, []xds.Ref) { return egressRoutes(egress), hostReferences(egress.Hosts) },
		}}
	case e.proxy.Edge != nil:
		edge := *e.proxy.Edge
		if e.proxy.Node.VHDS && len(edge.Hosts) > 0 {
			return append(edgeHosts(edge), edgeRoutesByHost(edge))
		}
		return []part{{
			Ref: xds.Ref{Type: xds.RouteType, Name: EdgeName}, origin: edge.Origin, from: []any{edge.Hosts},
			build: func() (proto.Message, []xds.Ref) { return edgeRoutes(edge), hostReferences(edge.Hosts) },
		}}
	default:
		return nil
	}
}

// edgeRoutesByHost returns the routes of an edge that gets its virtual hosts by VHDS, so that a change sends only the
// host that changed. An edge without any virtual host would wait for one.
func edgeRoutesByHost(edge ir.Edge) part {
	const byHost = "vhds" // distinguishes it from the resource of this name with all hosts
	return part{
		Ref: xds.Ref{Type: xds.RouteType, Name: EdgeName}, origin: edge.Origin, from: []any{byHost},
		build: func() (proto.Message, []xds.Ref) {
			return &routev3.RouteConfiguration{
				Name: EdgeName, IgnorePortInHostMatching: true, Vhds: &routev3.Vhds{ConfigSource: ADS()},
			}, nil
		},
	}
}

// edgeHosts returns the virtual hosts of an edge, each as a resource.
func edgeHosts(edge ir.Edge) []part {
	var all []part
	for _, h := range edge.Hosts {
		all = append(all, part{
			Ref: xds.Ref{Type: xds.VirtualHostType, Name: EdgeHostName(h.Hosts[0])}, origin: h.Origin, from: []any{h},
			build: func() (proto.Message, []xds.Ref) { return edgeHost(h), hostReferences([]ir.VirtualHost{h}) },
		})
	}
	return all
}

// edgeHost returns a virtual host of an edge. It has the name of its resource, because Envoy removes it by that name.
func edgeHost(h ir.VirtualHost) *routev3.VirtualHost {
	v := virtualHost(h)
	v.Name = EdgeHostName(h.Hosts[0])
	return v
}

// hostReferences returns the clusters that the routes lead to, sorted by name, without duplicates.
func hostReferences(hosts []ir.VirtualHost) []xds.Ref {
	var all []xds.Ref
	for _, h := range hosts {
		for _, r := range h.Routes {
			all = append(all, clusterReference(r.Target)...)
		}
	}
	return byName(all)
}

// byName returns references to one type sorted by name, without duplicates.
func byName(references []xds.Ref) []xds.Ref {
	slices.SortFunc(references, func(a, b xds.Ref) int { return strings.Compare(a.Name, b.Name) })
	return slices.Compact(references)
}

// egressRoutes returns a sidecar's routes by host, and the answer for every other host.
func egressRoutes(egress ir.Egress) *routev3.RouteConfiguration {
	c := &routev3.RouteConfiguration{Name: EgressName, IgnorePortInHostMatching: true}
	for _, h := range egress.Hosts {
		c.VirtualHosts = append(c.VirtualHosts, virtualHost(h))
	}
	c.VirtualHosts = append(c.VirtualHosts, noRoute(egress.NoRoute))
	return c
}

// edgeRoutes returns an edge's routes. A request that matches none is answered with 404.
func edgeRoutes(edge ir.Edge) *routev3.RouteConfiguration {
	c := &routev3.RouteConfiguration{Name: EdgeName, IgnorePortInHostMatching: true}
	for _, h := range edge.Hosts {
		c.VirtualHosts = append(c.VirtualHosts, edgeHost(h))
	}
	return c
}

// ingressRoutes sends everything to the application, without timeouts or limits: those are set by the callers.
func ingressRoutes(in ir.Ingress) *routev3.RouteConfiguration {
	name := IngressName(in.Port)
	to := ir.Route{Path: "/", Target: in.Target}
	return &routev3.RouteConfiguration{
		Name:         name,
		VirtualHosts: []*routev3.VirtualHost{{Name: name, Domains: []string{"*"}, Routes: []*routev3.Route{envoyRoute(to)}}},
	}
}

func virtualHost(h ir.VirtualHost) *routev3.VirtualHost {
	v := &routev3.VirtualHost{Name: h.Hosts[0], Domains: h.Hosts}
	for _, r := range h.Routes {
		v.Routes = append(v.Routes, envoyRoute(r))
	}
	return v
}

// noRoute answers requests for hosts that match no other entry. Envoy puts the requested host into the text.
func noRoute(n ir.NoRoute) *routev3.VirtualHost {
	literal := func(s string) string { return strings.ReplaceAll(s, "%", "%%") }
	text := literal(n.Before) + "%REQ(:AUTHORITY)%" + literal(n.After)
	return &routev3.VirtualHost{Name: "*", Domains: []string{"*"}, Routes: []*routev3.Route{{
		Match: everything(),
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 404,
			BodyFormat: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: inline(text)},
			},
		}},
	}}}
}

func inline(s string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: s}}
}

func everything() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
}

func pathMatch(path string) *routev3.RouteMatch {
	if path == "/" {
		return everything()
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: path}}
}

// envoyRoute encodes one route for Envoy. A gRPC call's timeout is set for the whole stream: then the called program
// learns the deadline, and the caller gets DEADLINE_EXCEEDED. With a route's timeout it would get UNAVAILABLE, which
// suggests that a retry may help.
func envoyRoute(r ir.Route) *routev3.Route {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: ClusterName(r.Target)},
		Timeout:          durationpb.New(r.Timeout),
		RetryPolicy:      envoyRetries(r.Retries),
	}
	if r.Protocol == mesh.GRPC && r.Timeout > 0 {
		action.Timeout = durationpb.New(0)
		action.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(r.Timeout)}
	}
	if r.Host != "" {
		action.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.Host}
	}
	route := &routev3.Route{Match: pathMatch(r.Path), Action: &routev3.Route_Route{Route: action}}
	if r.Announce {
		route.RequestHeadersToAdd = []*corev3.HeaderValueOption{{
			Header:       &corev3.HeaderValue{Key: TargetHeader, Value: ClusterName(r.Target)},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}}
	}
	if r.OnlyAnnounced {
		route.Match.Headers = []*routev3.HeaderMatcher{{
			Name: TargetHeader,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: ClusterName(r.Target)},
			}},
		}}
	}
	return route
}
