package xds_test

import (
	"context"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// waiting is a call of WaitAcknowledged that is under way, on a server where a client has been sent
// endpoints a and b, and has acknowledged them if it says so.
func waiting(t *testing.T, source xds.Source, acknowledged bool, change func(*sotwStream)) error {
	t.Helper()
	server, connection := serve(t, source, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openSotW(t, connection, sotwADS)
	request := &discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: []string{"a", "b"}}
	s.send(request)
	r := s.receive()
	request.VersionInfo, request.ResponseNonce = r.VersionInfo, r.Nonce
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ref := xds.Ref{Type: xds.EndpointType, Name: "a"}
	if acknowledged {
		s.send(request)
		if err := server.WaitAcknowledged(ctx, ref); err != nil {
			t.Fatal(err)
		}
		change(s)
		return server.WaitAcknowledged(ctx, ref)
	}
	early, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	if server.WaitAcknowledged(early, ref) == nil {
		t.Error("nothing was acknowledged, and nobody waited")
	}
	done := make(chan error, 1)
	go func() { done <- server.WaitAcknowledged(ctx, ref) }()
	change(s)
	return <-done
}

func filled() *xds.LinearCache {
	cache := xds.NewLinearCache(xds.EndpointType)
	cache.Put(resource(xds.EndpointType, "a", "1"), resource(xds.EndpointType, "b", "1"))
	return cache
}

// What a client cannot be told, since the protocol has no words for it, needs no acknowledgement.
func TestWaitEndsAfterSilentRemoval(t *testing.T) {
	for range 20 {
		cache := filled()
		if err := waiting(t, cache, true, func(*sotwStream) { cache.Delete("a") }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitEnds(t *testing.T) {
	cache := filled()
	views := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	views.Publish("n", xds.NewSnapshot(cache.Resources()...))
	for name, test := range map[string]struct {
		source xds.Source
		change func(*sotwStream)
	}{
		"when the content is withdrawn before its ACK":       {cache, func(*sotwStream) { cache.Delete("a") }},
		"when the snapshot is removed before its ACK":        {views, func(*sotwStream) { views.Remove("n") }},
		"when the stream ends":                               {filled(), func(s *sotwStream) { _ = s.stream.CloseSend() }},
		"when the client lets go of the name, by a new list": {filled(), func(s *sotwStream) { s.rename("b") }},
	} {
		t.Run(name, func(t *testing.T) {
			if err := waiting(t, test.source, false, test.change); err != nil {
				t.Error(err)
			}
		})
	}
}

// rename asks for other endpoints without having acknowledged anything.
func (s *sotwStream) rename(names ...string) {
	s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: names})
}
