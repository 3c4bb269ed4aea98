package client

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// inSotW is the client feature that asks a state-of-the-world server to wrap resources, so that
// they have a name and a TTL (C104).
const inSotW = "xds.config.supports-resource-in-sotw"

// sotwStream speaks the state-of-the-world protocol.
type sotwStream struct {
	stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	name   func(*anypb.Any) string
}

func openSotW(ctx context.Context, conn grpc.ClientConnInterface, name func(*anypb.Any) string) (stream, error) {
	s, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if name == nil {
		name = func(*anypb.Any) string { return "" }
	}
	return sotwStream{s, name}, err
}

// ready says no while a response is not answered: a request with its nonce would acknowledge it,
// and one with an older nonce is stale (C025).
func (w sotwStream) ready(s *subscription) bool { return !s.pending }

func (w sotwStream) request(s *subscription, node *corev3.Node) func() error {
	r := sotwRequest(s, node)
	return func() error { return w.stream.Send(r) }
}

// sotwRequest is the next request for a type. It repeats all names and the version that was
// accepted last, which a rejection does not move.
func sotwRequest(s *subscription, node *corev3.Node) *discoveryv3.DiscoveryRequest {
	r := &discoveryv3.DiscoveryRequest{
		Node:          node,
		TypeUrl:       s.typeURL,
		VersionInfo:   s.version,
		ResponseNonce: s.nonce,
		ResourceNames: slices.Sorted(maps.Keys(s.next())),
	}
	if a := s.tell(); a != nil {
		r.ResponseNonce, r.ErrorDetail = a.update.nonce, errorDetail(a.reason)
	}
	return r
}

func (w sotwStream) accepted() error {
	_, err := w.stream.Header()
	return err
}

func (w sotwStream) receive() (*Update, error) {
	r, err := w.stream.Recv()
	if err != nil {
		return nil, err
	}
	u := &Update{Type: r.GetTypeUrl(), Version: r.GetVersionInfo(), nonce: r.GetNonce()}
	for _, body := range r.GetResources() {
		var wrapper discoveryv3.Resource
		if !body.MessageIs(&wrapper) {
			u.Resources = append(u.Resources, Resource{Name: w.name(body), Version: u.Version, Body: body})
			continue
		}
		if err := body.UnmarshalTo(&wrapper); err != nil {
			return nil, fmt.Errorf("response of type %q: wrapped resource: %w", u.Type, err)
		}
		u.Resources = append(u.Resources, unwrapped(&wrapper))
	}
	return u, nil
}
