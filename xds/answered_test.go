package xds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// answering is a client whose answers a test gives one by one, and a server that waits for them.
type answering struct {
	*deltaStream
	server *xds.Server
	cache  *xds.LinearCache
}

func newAnswering(t *testing.T, o xds.ServerOptions) *answering {
	t.Helper()
	cache := xds.NewLinearCache(xds.ClusterType)
	server, connection := serve(t, cache, o, xds.GRPCOptions()...)
	a := &answering{openDelta(t, connection, deltaADS), server, cache}
	a.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"*"}})
	a.expect(map[string]string{})
	return a
}

// waitFor starts to wait for answers for clusters.
func (a *answering) waitFor(ctx context.Context, names ...string) func() ([]xds.Answer, error) {
	var refs []xds.Ref
	for _, name := range names {
		refs = append(refs, xds.Ref{Type: xds.ClusterType, Name: name})
	}
	type result struct {
		answers []xds.Answer
		err     error
	}
	done := make(chan result, 1)
	go func() {
		answers, err := a.server.WaitAnswered(ctx, "n", refs...)
		done <- result{answers, err}
	}()
	return func() ([]xds.Answer, error) {
		r := <-done
		return r.answers, r.err
	}
}

// answer reads a response and answers it.
func (a *answering) answer(rejection string) {
	a.t.Helper()
	if err := a.stream.RecvMsg(a.last); err != nil {
		a.t.Fatal(err)
	}
	r := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResponseNonce: a.last.Nonce}
	if rejection != "" {
		r.ErrorDetail = &status.Status{Message: rejection}
	}
	a.send(r)
}

// A relay answers its own server as its client did: with the client's rejection, or an ACK.
func TestWaitAnswered(t *testing.T) {
	a := newAnswering(t, xds.ServerOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a.cache.Put(resource(xds.ClusterType, "users", "1"))
	answers := a.waitFor(ctx, "users")
	a.answer("not like that")
	if got, err := answers(); err != nil || got[0].Accepted || got[0].Rejected == nil || got[0].Rejected.Message != "not like that" {
		t.Errorf("answers %+v, %v", got, err)
	}
	a.cache.Put(resource(xds.ClusterType, "users", "2"))
	answers = a.waitFor(ctx, "users")
	a.answer("")
	if got, err := answers(); err != nil || got[0] != (xds.Answer{Accepted: true}) {
		t.Errorf("answers %+v, %v", got, err)
	}
}

// A client that goes away has not answered.
func TestEndedStreamsDoNotAnswer(t *testing.T) {
	a := newAnswering(t, xds.ServerOptions{})
	a.cache.Put(resource(xds.ClusterType, "users", "1"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answers := a.waitFor(ctx, "users")
	if err := a.stream.RecvMsg(a.last); err != nil {
		t.Fatal(err)
	}
	if err := a.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for len(a.server.Status()) > 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if got, err := answers(); !errors.Is(err, context.Canceled) || got[0] != (xds.Answer{}) {
		t.Errorf("answers %+v, %v: want none, because the stream ended", got, err)
	}
}

// In a relay another server decides what of a rejected response is offered again.
func TestOfferAgain(t *testing.T) {
	a := newAnswering(t, xds.ServerOptions{Relay: true, IsolateRejected: true})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a.cache.Put(resource(xds.ClusterType, "bad", "1"), resource(xds.ClusterType, "good", "1"), resource(xds.ClusterType, "late", "1"))
	answers := a.waitFor(ctx, "bad", "good")
	a.answer("one is bad")
	if got, err := answers(); err != nil || got[0].Rejected == nil || got[1].Rejected == nil {
		t.Errorf("answers %+v, %v: want that all are rejected", got, err)
	}
	for name, rejection := range map[string]string{"bad": "it is this one", "good": ""} {
		a.server.OfferAgain("n", xds.Ref{Type: xds.ClusterType, Name: name})
		answers = a.waitFor(ctx, name)
		a.answer(rejection)
		if len(a.last.Resources) != 1 || a.last.Resources[0].Name != name {
			t.Errorf("offered %v: want %s alone", a.last.Resources, name)
		}
		if got, err := answers(); err != nil || got[0].Accepted == (rejection != "") {
			t.Errorf("%s: answers %+v, %v", name, got, err)
		}
	}
	a.cache.Put(resource(xds.ClusterType, "bad", "2"))
	a.expect(map[string]string{"bad": "2"})
	a.cache.Put(resource(xds.ClusterType, "last", "1")) // late has not been offered before this
	a.expect(map[string]string{"last": "1"})
}
