package xds

import (
	"io"
	"net/http"
	"strings"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// restPath begins the paths of REST fetches; the name of the type's service follows.
const restPath = "/v3/discovery:"

// restTypes are the last parts of the paths, as Envoy's API has them.
var restTypes = map[string]string{
	"clusters":          ClusterType,
	"endpoints":         EndpointType,
	"listeners":         ListenerType,
	"routes":            RouteType,
	"scoped-routes":     ScopedRouteType,
	"secrets":           SecretType,
	"runtime":           RuntimeType,
	"extension_configs": ExtensionConfigType,
}

// maxFetch is the largest request of a REST fetch, in bytes.
const maxFetch = 4 << 20

// Handler answers REST-JSON fetches (C110): a POST of a DiscoveryRequest to
// /v3/discovery:clusters and so on gets a DiscoveryResponse, or 304 when the request's
// version_info is current. There is no aggregation, no delta and no waiting. The program has to
// import the Go packages of the messages it serves: their JSON form is not in their bytes.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.fetch) }

func (s *Server) fetch(w http.ResponseWriter, r *http.Request) {
	name, found := strings.CutPrefix(r.URL.Path, restPath)
	typeURL := restTypes[name]
	switch {
	case !found || typeURL == "":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a discovery request is posted", http.StatusMethodNotAllowed)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFetch))
	if err != nil {
		http.Error(w, "request: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	var request discoveryv3.DiscoveryRequest
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, &request); err != nil {
		http.Error(w, "request is not a DiscoveryRequest in JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.answerFetch(w, r, typeURL, &request)
}

func (s *Server) answerFetch(w http.ResponseWriter, r *http.Request, typeURL string, m *discoveryv3.DiscoveryRequest) {
	node := nodeOf(&request{node: m.GetNode()}, r.RemoteAddr)
	if s.o.Authenticate != nil {
		var err error
		if node.Identity, err = s.o.Authenticate(r.Context(), node); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	c := s.fetched(node, typeURL, m.ResourceNames)
	switch {
	case c == nil:
		http.Error(w, "nothing is published for this node yet", http.StatusServiceUnavailable)
		return
	case m.VersionInfo == c.version():
		w.WriteHeader(http.StatusNotModified)
		return
	}
	var response discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(c.body(sotwBody, typeURL, &s.bodyCache).bytes, &response); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text, err := protojson.Marshal(&response)
	if err != nil {
		http.Error(w, "resources of this type have no JSON form here: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the client is gone when this fails
}

// fetched returns what a node would get for names, nil when nothing was published for it, or when one
// of the names is not decided yet.
func (s *Server) fetched(node *Node, typeURL string, names []string) *content {
	session := &session{node: node, source: s.source, rules: &s.rules, group: &group{}, waker: asleep{}}
	session.group.sessions = append(session.group.sessions, session)
	defer session.close()
	if err := session.receive(time.Now(), &request{typeURL: typeURL, names: names}); err != nil {
		return nil
	}
	session.group.load()
	want := session.watch(typeURL).want
	if want != nil && len(want.undecided) > 0 {
		return nil
	}
	return want
}

// asleep is the waker of a session that lives for one question.
type asleep struct{}

func (asleep) wake()              {}
func (asleep) rejected(Rejection) {}
