package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// patience is how long a test waits for something that should happen immediately.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	// A child process of TestSignal runs the program itself.
	if os.Getenv("RAWSERVER_TEST_MAIN") != "" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"),
		// After it refused a body, net/http waits half a second before it closes the connection.
		goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// running is a server in this process.
type running struct {
	t         *testing.T
	xds, http string // addresses
}

func start(t *testing.T) *running {
	t.Helper()
	recorder := xdstest.NewRecorder(xdstest.Options{Dangling: true})
	xdsListener, httpListener := listen(t), listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, recorder.Listen(xdsListener), httpListener, discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for _, v := range recorder.Violations() {
			t.Error(v)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return &running{t, xdsListener.Addr().String(), httpListener.Addr().String()}
}

func listen(t *testing.T) net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// answer is an answer of the HTTP API.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call calls the API; a header is given as "Name: value".
func (r *running) call(method, path string, body []byte, headers ...string) answer {
	r.t.Helper()
	request, err := http.NewRequest(method, "http://"+r.http+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

const (
	asJSON     = "Content-Type: " + contentJSON
	asProtobuf = "Content-Type: " + contentProtobuf
)

// must calls the API and requires status 200.
func (r *running) must(method, path string, body []byte, headers ...string) answer {
	r.t.Helper()
	a := r.call(method, path, body, headers...)
	if a.status != http.StatusOK {
		r.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// body encodes Anys as a DiscoveryResponse.
func body(anys ...*anypb.Any) []byte {
	b, err := proto.Marshal(&discoveryv3.DiscoveryResponse{Resources: anys})
	if err != nil {
		panic(err)
	}
	return b
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}

// cluster returns a Cluster whose bytes contain the version in an unknown field.
func cluster(name, version string) *anypb.Any {
	a := pack(&clusterv3.Cluster{Name: name})
	unknown := append([]byte{0xfa, 0xff, 0x7f, byte(len(version))}, version...) // field 262143, of bytes
	a.Value = append(a.Value, unknown...)
	return a
}

const (
	clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	opaqueType  = "type.googleapis.com/nobody.knows.This"
)

// opaque returns a resource whose type the server does not know, wrapped with its name.
func opaque(name, version string) *anypb.Any {
	return pack(&discoveryv3.Resource{Name: name, Version: "ignored", Resource: &anypb.Any{TypeUrl: opaqueType, Value: []byte(version)}})
}

// own returns a node's own set, from the resources of its DiscoveryResponse, as bytes by name.
func (r *running) own(node string) map[string]string {
	r.t.Helper()
	a := r.must("GET", "/resources?node="+url.QueryEscape(node), nil, "Accept: "+contentProtobuf)
	var response discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(a.body, &response); err != nil {
		r.t.Fatal(err)
	}
	set := make(map[string]string)
	for _, a := range response.GetResources() {
		resource, err := unwrap(a)
		if err != nil {
			r.t.Fatal(err)
		}
		set[resource.Name()] = string(resource.Body())
	}
	return set
}

// watcher is a client that subscribes to everything of a type.
type watcher struct {
	t       *testing.T
	updates chan *client.Update
}

func (r *running) watch(node string, protocol client.Protocol, typeURL string) *watcher {
	r.t.Helper()
	conn, err := grpc.NewClient(r.xds, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		r.t.Fatal(err)
	}
	w := &watcher{t: r.t, updates: make(chan *client.Update, 100)}
	c := client.New(conn, client.Options{Node: &corev3.Node{Id: node}, Protocol: protocol, Name: nameIn, Handle: func(u *client.Update) {
		if len(u.Resources) > 0 && string(u.Resources[0].Body.GetValue()) == "refuse" {
			u.Reject(errRefused)
		} else {
			u.Accept()
		}
		w.updates <- u
	}})
	c.Subscribe(typeURL, client.Wildcard)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		<-ended
		conn.Close()
	})
	return w
}

// next returns the next update: the bytes by name, "" for a removed resource.
func (w *watcher) next() map[string]string {
	w.t.Helper()
	select {
	case u := <-w.updates:
		got := make(map[string]string)
		for _, r := range u.Resources {
			got[r.Name] = string(r.Body.GetValue())
		}
		for _, name := range u.Removed {
			got[name] = ""
		}
		return got
	case <-time.After(patience):
		w.t.Fatal("no update came")
		return nil
	}
}

func TestReadyAndSignal(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-xds", "127.0.0.1:0", "-http", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "RAWSERVER_TEST_MAIN=1")
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, _ := output.Read(line)
	var xdsAddress, httpAddress string
	for field := range strings.FieldsSeq(string(line[:n])) {
		if rest, ok := strings.CutPrefix(field, "xds="); ok {
			xdsAddress = rest
		}
		if rest, ok := strings.CutPrefix(field, "http="); ok {
			httpAddress = rest
		}
	}
	if !strings.HasPrefix(string(line[:n]), "ready ") || xdsAddress == "" || httpAddress == "" {
		t.Fatalf("first line %q", line[:n])
	}
	// An open stream does not delay the shutdown.
	r := &running{t, xdsAddress, httpAddress}
	r.must("PUT", "/resources?node=n", body(opaque("a", "1")), asProtobuf)
	r.watch("n", client.Delta, opaqueType).next()
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, output)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it ended %v after SIGTERM", took)
	}
}

func TestPortInUse(t *testing.T) {
	lis := listen(t)
	defer lis.Close()
	for _, flag := range []string{"-xds", "-http"} {
		args := []string{"-xds", "127.0.0.1:0", "-http", "127.0.0.1:0", flag, lis.Addr().String()}
		if err := run(t.Context(), args, io.Discard); err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s in use: %v", flag, err)
		}
	}
}

func TestProfiler(t *testing.T) {
	r := start(t)
	if a := r.must("GET", "/debug/pprof/heap?gc=1", nil); !bytes.HasPrefix(a.body, []byte{0x1f, 0x8b}) {
		t.Error("the heap profile is not a gzipped protobuf")
	}
	r.must("GET", "/debug/pprof/goroutine?debug=1", nil)
}

// TestFetch checks that the port for xDS also serves the REST form of the protocol.
func TestFetch(t *testing.T) {
	r := start(t)
	r.must("PUT", "/resources?node=n", body(cluster("a", "1")), asProtobuf)
	for _, address := range []string{r.xds, r.http} {
		one := &running{t, r.xds, address}
		a := one.must("POST", "/v3/discovery:clusters", []byte(`{"node": {"id": "n"}}`), asJSON)
		var response struct{ Resources []struct{ Name string } }
		if err := json.Unmarshal(a.body, &response); err != nil || len(response.Resources) != 1 || response.Resources[0].Name != "a" {
			t.Errorf("fetched %s (%v)", a.body, err)
		}
	}
}
