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

// Names that are asked for over and over are noted once, however long the client does not answer.
func TestRepeatedRequestsTakeNoMemory(t *testing.T) {
	cache := NewLinearCache(EndpointType)
	cache.Put(NewResource(EndpointType, "a", nil, ResourceOptions{}))
	s := &session{delta: true, node: &Node{}, waker: asleep{}, source: cache, group: &group{}, rules: &rules{maxSubscriptions: 100}}
	s.group.sessions = []*session{s}
	now := time.Now()
	receive := func(r *request) error {
		r.delta, r.typeURL = true, EndpointType
		return s.receive(now, r)
	}
	if err := receive(&request{names: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	s.group.load()
	if s.next(now) == nil {
		t.Fatal("nothing is sent")
	}
	for range 100_000 {
		if err := receive(&request{names: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := cap(s.watch(EndpointType).resends); got > 10*minRepeats {
		t.Errorf("one name takes room for %d", got)
	}

	// Beside the wildcard, a name that was dropped is answered, too (C078).
	if err := receive(&request{names: []string{wildcardName}}); err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		name := []string{fmt.Sprint("name-", i)}
		err := receive(&request{names: name})
		if err == nil {
			err = receive(&request{drop: name})
		}
		if status.Code(err) == codes.ResourceExhausted {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("names that are asked for and dropped have no bound: %d wait for an answer", len(s.watch(EndpointType).resends))
}
