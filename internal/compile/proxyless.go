package compile

import (
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// proxyless resolves a gRPC program that is its own proxy: the names that it may dial.
func proxyless(docs *documents, node mesh.Node) (ir.Proxy, error) {
	service, err := manifest(docs, node)
	if err != nil {
		return ir.Proxy{}, err
	}
	called, err := calls(docs, service)
	if err != nil {
		return ir.Proxy{}, err
	}
	p := ir.Proxy{Node: node}
	for _, c := range called {
		target, origin := c.upstream.Target, c.upstream.Origin
		if why := beyondGRPC(c.upstream); why != "" {
			p.Unreachable = append(p.Unreachable, ir.Unreachable{Target: target, Why: why, Origin: origin})
			continue
		}
		p.NotApplied = append(p.NotApplied, notAppliedByGRPC(c)...)
		c.route.Retries = grpcRetries(c.route.Retries)
		p.Channels = append(p.Channels, ir.Channel{Target: target, Route: c.route, Origin: origin})
		p.Upstreams = append(p.Upstreams, c.upstream)
	}
	return p, nil
}

// beyondGRPC returns why a gRPC program cannot reach u, or "". Clients support only endpoints by discovery or one DNS
// name (gRFC A27, A37), and certificates only from providers in their own bootstrap (A29).
func beyondGRPC(u ir.Upstream) string {
	switch {
	case !u.Protocol.IsHTTP2():
		return "it speaks " + string(u.Protocol) + ", and a gRPC program only grpc and http2"
	case u.TLS != nil:
		return "a gRPC program takes certificates from its own bootstrap only"
	case len(u.Addresses) > 0:
		return "a gRPC program finds externals by host only, not by addresses"
	default:
		return ""
	}
}

// ignoredByGRPC are the settings that no gRPC program supports, with the reason. It must list every setting that the
// encoder for gRPC does not encode.
var ignoredByGRPC = map[string]string{
	"connectTimeout":                 "a gRPC program uses the connect timeout of its own channel",
	"retries.perTryTimeout":          "gRPC has no time limit for one attempt (gRFC A44)",
	"circuitBreaker.connections":     "gRPC limits requests only (gRFC A32)",
	"circuitBreaker.pendingRequests": "gRPC limits requests only (gRFC A32)",
	"circuitBreaker.retries":         "gRPC limits requests only (gRFC A32); its retry throttling is set in the program",
	"slowStart":                      "round robin, the one policy that all gRPC clients have, has no slow start",
}

// grpcRetryWords are the conditions on which gRPC programs retry (gRFC A44).
var grpcRetryWords = []string{"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}

// notAppliedByGRPC lists the settings of a call that come from a document and that gRPC programs do not support.
func notAppliedByGRPC(c call) (all []ir.NotApplied) {
	for _, s := range config.Settings() {
		value, origin := s.Of(c.traffic)
		why := ignoredByGRPC[s.Path]
		if on, ok := value.Interface().([]string); ok && slices.ContainsFunc(on, unknownToGRPC) {
			why = "gRPC retries on " + strings.Join(grpcRetryWords, ", ") + " only (gRFC A44)"
		}
		if why != "" && origin != (mesh.Origin{}) {
			all = append(all, ir.NotApplied{Target: c.upstream.Target, Setting: s.Path, Why: why, Origin: origin})
		}
	}
	return all
}

func unknownToGRPC(word string) bool { return !slices.Contains(grpcRetryWords, word) }

// grpcRetries keeps the conditions that gRPC programs support; nil if none is left. Without them, gRPC programs still
// retry requests that no server has seen (gRFC A6, transparent retries).
func grpcRetries(r *ir.Retries) *ir.Retries {
	if r == nil {
		return nil
	}
	known := slices.DeleteFunc(slices.Clone(r.On), unknownToGRPC)
	if len(known) == 0 {
		return nil
	}
	return &ir.Retries{Attempts: r.Attempts, On: known}
}
