package serve

import (
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// floorStream is one stream of the floor. Its handler only reads; publish writes.
type floorStream struct {
	stream     grpc.ServerStream
	delta      bool
	subscribed []bool // by index of the assignment
}

// serve answers the first request with all clusters and the third, which follows the
// acknowledgement of those, with all assignments. With subsets there are no clusters, and the
// first is answered with the client's own assignments.
func (f *floor) serve(stream grpc.ServerStream, delta bool) error {
	request := floorRequest{client: -1}
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	s := &floorStream{stream: stream, delta: delta, subscribed: make([]bool, f.shape.Clusters)}
	subscription := f.shape.Subscription(max(0, request.client))
	for _, index := range subscription {
		s.subscribed[index] = true
	}
	if f.shape.Subset > 0 {
		own := f.response(delta, workload.AssignmentType, subscription, f.bodies, "a")
		if err := stream.SendMsg(own); err != nil {
			return err
		}
	} else if err := f.greet(stream, f.ready[delta], &request); err != nil {
		return err
	}
	f.enrol(s)
	defer f.dismiss(s)
	for {
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
	}
}

func (f *floor) greet(stream grpc.ServerStream, ready *answers, request *floorRequest) error {
	if err := stream.SendMsg(ready.clusters); err != nil {
		return err
	}
	for range 2 {
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
	}
	return stream.SendMsg(ready.assignments)
}

func (f *floor) enrol(s *floorStream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[s] = struct{}{}
}

func (f *floor) dismiss(s *floorStream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.streams, s)
}
