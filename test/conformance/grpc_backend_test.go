package conformance

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// method is what the gRPC clients call. Its answer is the name of the server, as plain bytes.
const method = "/doyen.conformance.Backend/Call"

// bare is a codec that does not change bodies.
type bare struct{}

func (bare) Name() string { return "proto" }

func (bare) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (bare) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// grpcBackend runs a gRPC server that answers with its name, and returns its address.
func grpcBackend(t *testing.T, name string) string {
	t.Helper()
	s := grpc.NewServer(grpc.ForceServerCodecV2(bare{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		answer := []byte(name)
		return stream.SendMsg(&answer)
	}))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(lis)
	t.Cleanup(s.Stop)
	return lis.Addr().String()
}

// callOnce makes a call with grpc-go. The programs under clients do the same.
func callOnce(ctx context.Context, conn *grpc.ClientConn, within time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var request, answer []byte
	if err := conn.Invoke(ctx, method, &request, &answer, grpc.ForceCodecV2(bare{})); err != nil {
		return fmt.Sprintf("error %v", err)
	}
	return "ok " + string(answer)
}
