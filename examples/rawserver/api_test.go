package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/xds/client"
)

var (
	discard    = slog.New(slog.DiscardHandler)
	errRefused = errors.New("not wanted")
)

// TestSets tests every row of the table on the node's own set.
func TestSets(t *testing.T) {
	const node = "/resources?node=n"
	steps := []struct {
		method, path string
		body         []byte
		status       int
		want         string // names in the set afterwards
	}{
		{"GET", node, nil, 200, ""},
		{"PATCH", node, body(opaque("a", "1")), 200, "a=1"},
		{"PATCH", node, body(opaque("b", "1"), opaque("a", "2")), 200, "a=2 b=1"},
		{"PUT", node, body(opaque("c", "1"), opaque("d", "1"), opaque("c", "2")), 200, "c=2 d=1"},
		{"DELETE", node + "&type=" + opaqueType + "&name=c", nil, 200, "d=1"},
		{"DELETE", node + "&type=" + opaqueType + "&name=c", nil, 404, "d=1"},
		{"DELETE", node + "&type=" + clusterType, nil, 404, "d=1"},
		{"DELETE", node + "&type=" + opaqueType, nil, 200, ""},
		{"PUT", node, body(opaque("a", "1")), 200, "a=1"},
		{"PUT", node, nil, 200, ""},
		{"PUT", node, body(opaque("a", "1")), 200, "a=1"},
		{"DELETE", node, nil, 200, ""},
		{"DELETE", node, nil, 200, ""},
		{"PATCH", node, nil, 200, ""},
	}
	r := start(t)
	for i, step := range steps {
		a := r.call(step.method, step.path, step.body, asProtobuf)
		if a.status != step.status {
			t.Fatalf("step %d: %s %s: %d %s, want %d", i, step.method, step.path, a.status, a.body, step.status)
		}
		want := make(map[string]string)
		for pair := range strings.FieldsSeq(step.want) {
			name, value, _ := strings.Cut(pair, "=")
			want[name] = value
		}
		if diff := cmp.Diff(want, r.own("n")); diff != "" {
			t.Errorf("step %d: %s %s: set (-want +got):\n%s", i, step.method, step.path, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	unnamed := pack(&discoveryv3.Resource{Resource: &anypb.Any{TypeUrl: opaqueType}})
	tests := []struct {
		name         string
		method, path string
		contentType  string
		body         []byte
		status       int
		reason       string
	}{
		{"no node", "PUT", "/resources", contentProtobuf, nil, 400, "no node"},
		{"empty node", "GET", "/resources?node=", "", nil, 400, "no node"},
		{"status without a node", "GET", "/status", "", nil, 400, "no node"},
		{"bad escape", "GET", "/resources?node=%zz", "", nil, 400, "invalid URL escape"},
		{"name without type", "DELETE", "/resources?node=n&name=a", "", nil, 400, "name without type"},
		{"not protobuf", "PUT", "/resources?node=n", contentProtobuf, []byte{0xff}, 400, "not a DiscoveryResponse"},
		{"not JSON", "PUT", "/resources?node=n", contentJSON, []byte("{"), 400, "not a DiscoveryResponse"},
		{"JSON of something else", "PUT", "/resources?node=n", contentJSON, []byte(`{"clusters": []}`), 400, "clusters"},
		{"JSON of an unknown type", "PUT", "/resources?node=n", contentJSON, []byte(`{"resources": [{"@type": "` + opaqueType + `", "name": "a"}]}`), 400, "nobody.knows.This"},
		{"JSON with an unknown field", "PUT", "/resources?node=n", contentJSON, []byte(`{"resources": [{"@type": "` + clusterType + `", "nmae": "a"}]}`), 400, "nmae"},
		{"unknown content type", "PUT", "/resources?node=n", "text/plain", []byte("x"), 415, "text/plain"},
		{"unknown content type of an empty body", "PATCH", "/resources?node=n", "application/yaml", nil, 415, "application/yaml"},
		{"no content type", "PATCH", "/resources?node=n", "", []byte("x"), 415, "content type"},
		{"cluster without a name", "PUT", "/resources?node=n", contentProtobuf, body(cluster("", "1")), 400, "without a name"},
		{"opaque without a name", "PUT", "/resources?node=n", contentProtobuf, body(&anypb.Any{TypeUrl: opaqueType}), 400, "no name"},
		{"wrapped without a name", "PUT", "/resources?node=n", contentProtobuf, body(unnamed), 400, "no name"},
		{"wrapper around nothing", "PUT", "/resources?node=n", contentProtobuf, body(pack(&discoveryv3.Resource{Name: "a"})), 400, "without a resource"},
		{"broken wrapper", "PUT", "/resources?node=n", contentProtobuf, body(&anypb.Any{TypeUrl: unnamed.TypeUrl, Value: []byte{0xff}}), 400, "resource 1 of 1"},
		{"a name that is no text", "PUT", "/resources?node=n", contentProtobuf, body(&anypb.Any{TypeUrl: clusterType, Value: []byte("\x0a\x01\xff")}), 400, "UTF-8"},
		{"the second is bad", "PUT", "/resources?node=n", contentProtobuf, body(opaque("a", "1"), cluster("", "1")), 400, "resource 2 of 2"},
		{"too large", "PUT", "/resources?node=n", contentProtobuf, make([]byte, maxBody+1), 413, "more than"},
		{"wrong method", "POST", "/resources?node=n", contentProtobuf, nil, 405, ""},
		{"wrong method of status", "PUT", "/status?node=n", contentProtobuf, nil, 405, ""},
		{"wrong path", "GET", "/resource?node=n", "", nil, 404, ""},
	}
	r := start(t)
	r.must("PUT", "/resources?node=n", body(opaque("kept", "1")), asProtobuf)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var headers []string
			if test.contentType != "" {
				headers = append(headers, "Content-Type: "+test.contentType)
			}
			a := r.call(test.method, test.path, test.body, headers...)
			if a.status != test.status || !strings.Contains(string(a.body), test.reason) {
				t.Errorf("%d %s, want %d and %q", a.status, a.body, test.status, test.reason)
			}
		})
	}
	if diff := cmp.Diff(map[string]string{"kept": "1"}, r.own("n")); diff != "" {
		t.Errorf("a refused call changed something (-want +got):\n%s", diff)
	}
}

// TestInvalidContent checks that contents are not validated: whatever has a name is served.
func TestInvalidContent(t *testing.T) {
	r := start(t)
	bad := cluster("bad", "1")
	bad.Value = append(bad.Value, 0x22, 0x7f) // a field longer than what follows
	r.must("PUT", "/resources?node=n", body(bad), asProtobuf)
	if got := r.watch("n", client.Delta, clusterType).next()["bad"]; got != string(bad.Value) {
		t.Errorf("served %q, want %q", got, bad.Value)
	}
	// JSON can only show it as bytes.
	if a := r.must("GET", "/resources?node=n", nil); !strings.Contains(string(a.body), `"value"`) {
		t.Errorf("in JSON: %s", a.body)
	}
}

func TestLargestBody(t *testing.T) {
	r := start(t)
	const overhead = 200
	large := body(opaque("a", strings.Repeat("x", maxBody-overhead)))
	r.must("PUT", "/resources?node=n", large, asProtobuf)
	if got := len(r.own("n")["a"]); got != maxBody-overhead {
		t.Errorf("%d bytes, want %d", got, maxBody-overhead)
	}
}

// TestForms checks that bodies can be read and written in either form, with the same meaning.
func TestForms(t *testing.T) {
	r := start(t)
	wrapped := pack(&discoveryv3.Resource{
		Name: "ttl", Ttl: durationpb.New(90 * time.Second), Aliases: []string{"other"},
		Resource: &anypb.Any{TypeUrl: clusterType, Value: cluster("inside", "1").Value},
	})
	in := body(cluster("a", "1"), opaque("b", "\x00\xff"), wrapped)
	r.must("PUT", "/resources?node=one", in, asProtobuf)
	for _, accept := range []string{contentJSON, "*/*", "text/html", "", "application/json; charset=utf-8, application/x-protobuf", "application/x-protobuf;q=0, */*"} {
		a := r.must("GET", "/resources?node=one", nil, "Accept: "+accept)
		if got := a.header.Get("Content-Type"); got != contentJSON {
			t.Errorf("Accept %q gives %q", accept, got)
		}
	}
	text := r.must("GET", "/resources?node=one", nil).body
	var a answer
	for _, accept := range []string{"Application/X-Protobuf", "application/json;q=0.5, application/x-protobuf", "application/x-protobuf, */*"} {
		a = r.must("GET", "/resources?node=one", nil, "Accept: "+accept)
		if got := a.header.Get("Content-Type"); got != contentProtobuf {
			t.Errorf("Accept %q gives %q", accept, got)
		}
	}
	r.must("PUT", "/resources?node=two", text, "Content-Type: application/json; charset=utf-8")
	again := r.must("GET", "/resources?node=two", nil).body
	if !sameJSON(t, text, again) {
		t.Errorf("JSON is\n%s\nafter a round trip\n%s", text, again)
	}
	r.must("PUT", "/resources?node=three", a.body, asProtobuf)
	if diff := cmp.Diff(r.own("one"), r.own("three")); diff != "" {
		t.Errorf("protobuf after a round trip (-before +after):\n%s", diff)
	}
	// Proto-JSON as other programs write it.
	r.must("PUT", "/resources?node=four", []byte(`{"version_info": "x", "resources": [
		{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "connect_timeout": "1s"}
	]}`), asJSON)
	if got := r.own("four")["c"]; got == "" {
		t.Error("a cluster in JSON was not taken")
	}
	if a := r.must("GET", "/resources?node=none", nil); protojson.Unmarshal(a.body, new(discoveryv3.DiscoveryResponse)) != nil {
		t.Errorf("an empty set is %s", a.body)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

// TestStrangeNames checks that IDs and names can be any strings.
func TestStrangeNames(t *testing.T) {
	r := start(t)
	for _, name := range []string{"a b", "a/b?c=d&e=f", "ä🙂", "*", "a+b", "%41", "\"'<>;"} {
		query := "/resources?node=" + url.QueryEscape("node "+name)
		r.must("PUT", query, body(opaque(name, "1"), opaque("other", "1")), asProtobuf)
		r.must("DELETE", query+"&type="+url.QueryEscape(opaqueType)+"&name="+url.QueryEscape(name), nil)
		if diff := cmp.Diff(map[string]string{"other": "1"}, r.own("node "+name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

// TestDefaultSet checks that open streams follow when their node gains or loses a set of its own.
func TestDefaultSet(t *testing.T) {
	for _, protocol := range []client.Protocol{client.Delta, client.SotW} {
		t.Run(fmt.Sprint(protocol), func(t *testing.T) {
			r := start(t)
			r.must("PUT", "/resources?node=n", body(cluster("z", "1")), asProtobuf)
			w := r.watch("n", protocol, clusterType)
			w.expect("first", protocol, "z", "")
			r.must("DELETE", "/resources?node=n", nil)
			w.expect("none of its own, and no default", protocol, "", "z")
			r.must("PUT", "/resources?node=*", body(cluster("a", "1"), cluster("b", "1")), asProtobuf)
			w.expect("a default", protocol, "a b", "")
			r.must("PUT", "/resources?node=n", body(cluster("b", "1"), cluster("c", "1")), asProtobuf)
			w.expect("a set of its own", protocol, "c", "a")
			r.must("PUT", "/resources?node=*", body(cluster("d", "1")), asProtobuf)
			r.must("DELETE", "/resources?node=n", nil)
			w.expect("none of its own again", protocol, "d", "b c")
			r.must("PUT", "/resources?node=n", nil)
			w.expect("an empty one of its own", protocol, "", "d")
			r.must("DELETE", "/resources?node=*", nil)
			r.must("DELETE", "/resources?node=n", nil)
			r.must("PATCH", "/resources?node=*", body(cluster("e", "1")), asProtobuf)
			w.expect("a new default", protocol, "e", "")
		})
	}
}

// expect collects updates until the client has received all of added and removed. In state-of-the-world it waits for
// an update without removed.
func (w *watcher) expect(what string, protocol client.Protocol, added, removed string) {
	w.t.Helper()
	w.t.Log("waiting for", what)
	open := make(map[string]bool)
	for name := range strings.FieldsSeq(added) {
		open[name] = true
	}
	gone := make(map[string]bool)
	for name := range strings.FieldsSeq(removed) {
		gone[name] = true
	}
	for len(open)+len(gone) > 0 {
		got := w.next()
		for name, value := range got {
			if value != "" {
				delete(open, name)
			} else {
				delete(gone, name)
			}
		}
		if protocol == client.SotW {
			maps.DeleteFunc(gone, func(name string, _ bool) bool { _, still := got[name]; return !still })
		}
	}
}

// TestEqualBytes checks that publishing what is there already sends nothing: the next update is the next change.
func TestEqualBytes(t *testing.T) {
	r := start(t)
	r.must("PUT", "/resources?node=n", body(opaque("a", "1")), asProtobuf)
	w := r.watch("n", client.Delta, opaqueType)
	w.next()
	r.must("PUT", "/resources?node=n", body(opaque("a", "1")), asProtobuf)
	r.must("PATCH", "/resources?node=n", body(opaque("a", "1")), asProtobuf)
	r.must("PUT", "/resources?node=n", body(opaque("a", "1"), opaque("b", "1")), asProtobuf)
	if diff := cmp.Diff(map[string]string{"b": "1"}, w.next()); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
}

// TestConcurrentCalls checks that no call is lost if several arrive at the same time.
func TestConcurrentCalls(t *testing.T) {
	r := start(t)
	var calls sync.WaitGroup
	want := make(map[string]string)
	for i := range 50 {
		name := fmt.Sprint("r", i)
		want[name] = "1"
		calls.Go(func() { r.must("PATCH", "/resources?node=n", body(opaque(name, "1")), asProtobuf) })
	}
	calls.Wait()
	if diff := cmp.Diff(want, r.own("n")); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	r := start(t)
	if got := strings.TrimSpace(string(r.must("GET", "/status?node=nobody", nil).body)); got != `{"node":"nobody","streams":[]}` {
		t.Errorf("of an unknown node: %s", got)
	}
	r.must("PUT", "/resources?node=n", body(opaque("a", "1")), asProtobuf)
	w := r.watch("n", client.Delta, opaqueType)
	w.next()
	good := r.awaitType("n", func(s typeStatus) bool { return s.Acknowledged != "" && s.Acknowledged == s.Sent })
	if good.Rejected != nil {
		t.Errorf("rejected %+v", good.Rejected)
	}
	r.must("PUT", "/resources?node=n", body(opaque("a", "refuse")), asProtobuf)
	bad := r.awaitType("n", func(s typeStatus) bool { return s.Rejected != nil })
	if bad.Acknowledged != good.Acknowledged || bad.Rejected.Message != errRefused.Error() ||
		bad.Rejected.Version == "" || time.Since(bad.Rejected.Time).Abs() > time.Minute {
		t.Errorf("after a rejection: %+v, rejected %+v; before it %+v", bad, bad.Rejected, good)
	}
	r.must("PUT", "/resources?node=n", body(opaque("a", "2")), asProtobuf)
	r.awaitType("n", func(s typeStatus) bool { return s.Rejected == nil && s.Acknowledged != good.Acknowledged })
}

// awaitType waits until the status of the opaque type on the node's only stream is as wanted.
func (r *running) awaitType(node string, ok func(typeStatus) bool) typeStatus {
	r.t.Helper()
	var last []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		last = r.must("GET", "/status?node="+node, nil).body
		var status nodeStatus
		decoder := json.NewDecoder(bytes.NewReader(last))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&status); err != nil {
			r.t.Fatal(err)
		}
		if len(status.Streams) != 1 || status.Streams[0].Method != "delta-ads" {
			continue
		}
		if s, found := status.Streams[0].Types[opaqueType]; found && ok(s) {
			return s
		}
	}
	r.t.Fatalf("status stayed %s", last)
	return typeStatus{}
}
