package xds

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A type that nobody publishes leaves nothing behind, and costs a publication nothing.
func TestForeignTypesAreForgotten(t *testing.T) {
	cache := NewSnapshotCache(SnapshotCacheOptions{View: func(*Node) string { return "v" }})
	cache.Publish("v", NewSnapshot(NewResource(ClusterType, "a", nil, ResourceOptions{}), NewResource(RouteType, "r", nil, ResourceOptions{})))
	s := &session{node: &Node{}, waker: asleep{}, source: cache, group: &group{}, rules: &rules{}}
	for i := range 100 {
		if err := s.receive(time.Now(), &request{typeURL: fmt.Sprint("type-", i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	cache.Publish("v", NewSnapshot(NewResource(ClusterType, "a", nil, ResourceOptions{})))
	if got := len(cache.views["v"].collections); got != 1 {
		t.Errorf("%d collections, and one type", got)
	}
}

// All clients together may ask for so many types that are not xDS's own; those that left do not count.
func TestForeignTypesAreBounded(t *testing.T) {
	server := NewServer(NewLinearCache(ClusterType), ServerOptions{})
	defer server.Shutdown()
	var all []*stream
	askFor := func(typeURL string) error {
		st := &stream{server: server, admitted: true, info: StreamInfo{Node: &Node{}}}
		server.mu.Lock()
		st.session.group = server.groupOf(st)
		server.mu.Unlock()
		all = append(all, st)
		return server.askFor(st, typeURL)
	}
	for i := range maxForeignTypes {
		if err := askFor(fmt.Sprint("type-", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := askFor("one more"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more type is answered by %v", err)
	}
	for _, typeURL := range []string{ClusterType, "type-0"} {
		if err := askFor(typeURL); err != nil {
			t.Error(err)
		}
	}
	for _, st := range all {
		server.leave(st)
	}
	if err := askFor("one more"); err != nil || len(server.types) != 1 {
		t.Errorf("after all streams have left: %v, %d types", err, len(server.types))
	}
}
