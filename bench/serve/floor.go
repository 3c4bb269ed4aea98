package serve

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// floor is the least that a server on grpc-go can do: it writes bytes that are ready, the same to
// every stream, and drops what it reads. It knows the clients of this program and answers by
// counting their requests. What a server needs above it is its own work.
type floor struct {
	shape  workload.Shape
	bodies [][]byte          // the assignments, by index
	ready  map[bool]*answers // by variant: whether it is the incremental one

	mu      sync.Mutex
	streams map[*floorStream]struct{}
}

// answers are the ready responses of one variant.
type answers struct{ clusters, assignments []byte }

func newFloor(_ context.Context, shape workload.Shape) (target, error) {
	f := &floor{
		shape:   shape,
		bodies:  make([][]byte, shape.Clusters),
		streams: make(map[*floorStream]struct{}),
		ready:   make(map[bool]*answers),
	}
	clusters := make([][]byte, shape.Clusters)
	for index := range f.bodies {
		f.bodies[index] = shape.Assignment(0, index)
		clusters[index] = shape.Cluster(0, index)
	}
	for _, delta := range []bool{true, false} {
		f.ready[delta] = &answers{
			clusters:    f.response(delta, workload.ClusterType, shape.Subscription(0), clusters, "c"),
			assignments: f.response(delta, workload.AssignmentType, shape.Subscription(0), f.bodies, "a"),
		}
	}
	return f, nil
}

func (f *floor) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(readyCodec{}),
		grpc.StaticConnWindowSize(1 << 20), // else gRPC pings for each acknowledgement
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: time.Minute}),
	}
}

func (f *floor) register(g *grpc.Server) {
	handler := func(delta bool) grpc.StreamHandler {
		return func(_ any, s grpc.ServerStream) error { return f.serve(s, delta) }
	}
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "envoy.service.discovery.v3.AggregatedDiscoveryService",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: "DeltaAggregatedResources", Handler: handler(true), ServerStreams: true, ClientStreams: true},
			{StreamName: "StreamAggregatedResources", Handler: handler(false), ServerStreams: true, ClientStreams: true},
		},
	}, f)
}

func (f *floor) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (f *floor) prepare(sequence uint32) (func() error, error) {
	indices := f.shape.Targets(sequence)
	for _, index := range indices {
		f.bodies[index] = workload.Changed(f.bodies[index], sequence)
	}
	bodies := make(map[bool][]byte)
	for _, delta := range []bool{true, false} {
		nonce := strconv.FormatUint(uint64(sequence), 10)
		bodies[delta] = f.response(delta, workload.AssignmentType, indices, f.bodies, nonce)
	}
	return func() error { f.publish(indices[0], bodies); return nil }, nil
}

// publish writes to every stream that subscribes to the assignment index, from as many goroutines
// as there are processors: one for each stream would cost more. A stream that has ended is its
// handler's business.
func (f *floor) publish(index int, bodies map[bool][]byte) {
	subscribers := f.subscribers(index)
	var writers sync.WaitGroup
	for part := range slices.Chunk(subscribers, len(subscribers)/runtime.GOMAXPROCS(0)+1) {
		writers.Go(func() {
			for _, s := range part {
				_ = s.stream.SendMsg(bodies[s.delta])
			}
		})
	}
	writers.Wait()
}

func (f *floor) subscribers(index int) []*floorStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	var subscribers []*floorStream
	for s := range f.streams {
		if s.subscribed[index] {
			subscribers = append(subscribers, s)
		}
	}
	return subscribers
}

// response encodes the resources with the given indices.
func (f *floor) response(delta bool, typeURL string, indices []int, bodies [][]byte, nonce string) []byte {
	var message proto.Message
	if delta {
		response := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: typeURL, Nonce: nonce}
		for _, index := range indices {
			response.Resources = append(response.Resources, &discoveryv3.Resource{
				Name: f.shape.Name(0, index), Version: floorVersion,
				Resource: &anypb.Any{TypeUrl: typeURL, Value: bodies[index]},
			})
		}
		message = response
	} else {
		response := &discoveryv3.DiscoveryResponse{TypeUrl: typeURL, Nonce: nonce, VersionInfo: floorVersion}
		for _, index := range indices {
			response.Resources = append(response.Resources, &anypb.Any{TypeUrl: typeURL, Value: bodies[index]})
		}
		message = response
	}
	body, err := proto.Marshal(message)
	if err != nil {
		panic(err) // messages made here can always be encoded
	}
	return body
}

// floorVersion is the version of everything: the floor compares nothing.
const floorVersion = "00000000"

func (f *floor) versions() (map[string]map[string]string, error) {
	all := map[string]map[string]string{workload.ClusterType: {}, workload.AssignmentType: {}}
	for index := range f.bodies {
		for _, versions := range all {
			versions[f.shape.Name(0, index)] = floorVersion
		}
	}
	return all, nil
}

// readyCodec passes bytes through.
type readyCodec struct{}

func (readyCodec) Name() string { return "proto" }

func (readyCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// Unmarshal keeps the client's number of the first request and drops the rest.
func (readyCodec) Unmarshal(data mem.BufferSlice, v any) error {
	request := v.(*floorRequest)
	if request.client >= 0 || len(data) == 0 {
		return nil
	}
	const mark = "client-"
	first := data[0].ReadOnlyData()
	if i := bytes.Index(first, []byte(mark)); i >= 0 && len(first) >= i+len(mark)+5 {
		request.client = workload.Index(first[i : i+len(mark)+5])
	}
	return nil
}

// floorRequest is what the floor takes from requests.
type floorRequest struct{ client int }
