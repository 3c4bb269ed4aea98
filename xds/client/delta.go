package client

import (
	"context"
	"maps"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// deltaStream speaks the delta protocol.
type deltaStream struct {
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
}

func openDelta(ctx context.Context, conn grpc.ClientConnInterface) (stream, error) {
	s, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	return deltaStream{s}, err
}

func (d deltaStream) ready(*subscription) bool { return true }

func (d deltaStream) request(s *subscription, node *corev3.Node) func() error {
	r := deltaRequest(s, node)
	return func() error { return d.stream.Send(r) }
}

// deltaRequest is the next request for a type. The first one claims what the client holds (C080);
// a later one carries the changes of the subscription, an answer, or both (C079).
func deltaRequest(s *subscription, node *corev3.Node) *discoveryv3.DeltaDiscoveryRequest {
	r := &discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: s.typeURL}
	if !s.requested {
		r.InitialResourceVersions = maps.Clone(s.known)
	}
	r.ResourceNamesSubscribe, r.ResourceNamesUnsubscribe = s.untold()
	if a := s.tell(); a != nil {
		r.ResponseNonce, r.ErrorDetail = a.update.nonce, errorDetail(a.reason)
	}
	return r
}

func (d deltaStream) accepted() error {
	_, err := d.stream.Header()
	return err
}

func (d deltaStream) receive() (*Update, error) {
	r, err := d.stream.Recv()
	if err != nil {
		return nil, err
	}
	u := &Update{Type: r.GetTypeUrl(), Version: r.GetSystemVersionInfo(), Removed: r.GetRemovedResources(), nonce: r.GetNonce()}
	for _, resource := range r.GetResources() {
		u.Resources = append(u.Resources, unwrapped(resource))
	}
	return u, nil
}

func unwrapped(r *discoveryv3.Resource) Resource {
	return Resource{
		Name:    r.GetName(),
		Version: r.GetVersion(),
		Body:    r.GetResource(),
		TTL:     r.GetTtl().AsDuration(),
		Aliases: r.GetAliases(),
	}
}

func errorDetail(reason error) *status.Status {
	if reason == nil {
		return nil
	}
	return &status.Status{Code: int32(codes.InvalidArgument), Message: reason.Error()}
}
