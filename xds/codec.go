package xds

import (
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// codec encodes the engine's responses by handing out their shared bytes and decodes its
// requests by hand. All other messages on the server go to gRPC's own codec.
type codec struct{ encoding.CodecV2 }

// Codec returns the codec that makes the engine fast: grpc.ForceServerCodecV2(xds.Codec()).
// A server without it works, slower.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2(proto.Name)} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*response); ok {
		encoded := &struct { // one allocation for what gRPC wants as three
			tail    mem.SliceBuffer
			buffers [2]mem.Buffer
		}{tail: r.tail}
		encoded.buffers = [2]mem.Buffer{r.body.buffer, &encoded.tail}
		return encoded.buffers[:], nil
	}
	return c.CodecV2.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*request)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if len(data) == 1 {
		r.malformed = r.decode(data[0].ReadOnlyData()) // an error here would end the stream as INTERNAL
		return nil
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	r.malformed = r.decode(whole.ReadOnlyData())
	return nil
}

// ProtoReflect lets gRPC's own codec decode a request.
func (r *request) ProtoReflect() protoreflect.Message {
	if r.decoded == nil {
		if r.delta {
			r.decoded = &discoveryv3.DeltaDiscoveryRequest{}
		} else {
			r.decoded = &discoveryv3.DiscoveryRequest{}
		}
	}
	return r.decoded.ProtoReflect()
}

// ProtoReflect lets gRPC's own codec encode a response, and interceptors look at it. If the engine's
// bytes could not be decoded, the message would be empty, and the stream ends.
func (r *response) ProtoReflect() protoreflect.Message {
	r.once.Do(func() {
		if r.delta {
			r.message = &discoveryv3.DeltaDiscoveryResponse{}
		} else {
			r.message = &discoveryv3.DiscoveryResponse{}
		}
		options := protobuf.UnmarshalOptions{Merge: true, DiscardUnknown: false}
		for _, part := range [][]byte{r.body.bytes, r.tail} {
			if r.broken = options.Unmarshal(part, r.message); r.broken != nil {
				protobuf.Reset(r.message)
				return
			}
		}
	})
	return r.message.ProtoReflect()
}

// generic is a response as gRPC's own codec needs it, decoded once.
type generic struct {
	once    sync.Once
	message protobuf.Message
	broken  error // why the message is empty
}
