package csds

import (
	"context"
	"errors"
	"io"
	"iter"

	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// Server is what is read of an xDS server.
type Server interface {
	Resources(match func(*xds.Node) bool) iter.Seq[xds.StreamResources]
}

// Register adds the service to a gRPC server.
func Register(g grpc.ServiceRegistrar, of Server) {
	statusv3.RegisterClientStatusDiscoveryServiceServer(g, &service{server: of})
}

type service struct {
	statusv3.UnimplementedClientStatusDiscoveryServiceServer
	server Server
}

// FetchClientStatus answers one request.
func (s *service) FetchClientStatus(_ context.Context, r *statusv3.ClientStatusRequest) (*statusv3.ClientStatusResponse, error) {
	return s.answer(r)
}

// StreamClientStatus answers each request with the state at that moment.
func (s *service) StreamClientStatus(stream statusv3.ClientStatusDiscoveryService_StreamClientStatusServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response, err := s.answer(request)
		if err != nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// answer lists the clients that any of the request's matchers fits, in the order their first streams came;
// all of them when there is no matcher.
func (s *service) answer(r *statusv3.ClientStatusRequest) (*statusv3.ClientStatusResponse, error) {
	match, err := anyOf(r.NodeMatchers)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "node_matchers: %v", err)
	}
	var order []string
	byID := map[string]*client{}
	for stream := range s.server.Resources(match) {
		id := stream.Node.ID
		if byID[id] == nil {
			byID[id] = newClient(stream.Node)
			order = append(order, id)
		}
		byID[id].add(stream)
	}
	response := &statusv3.ClientStatusResponse{}
	for _, id := range order {
		response.Config = append(response.Config, byID[id].config(!r.ExcludeResourceContents))
	}
	return response, nil
}
