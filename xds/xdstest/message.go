package xdstest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
)

// Message is one request or response, in either protocol.
type Message struct {
	Time       time.Time
	Conn       int    // connections are counted from 1
	Stream     uint32 // HTTP/2 stream on that connection
	Method     string // such as /envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources
	Node       string // ID that the client gave on this stream
	FromClient bool
	Delta      bool

	Type    string // type URL
	Nonce   string
	Version string // of the whole type

	// Of a request.
	Error       string            // why the response with this nonce is rejected; "" = it is not
	Names       []string          // state-of-the-world: all names; delta: newly wanted ones
	Unsubscribe []string          // delta
	Known       map[string]string // delta: by name, versions the client holds

	// Of a response.
	Resources []Resource
	Removed   []string // delta
}

// Resource is one resource in a response.
type Resource struct {
	Name      string // made of a sum of the body where the message does not show it
	Version   string // in state-of-the-world, if not wrapped, that of the response
	Body      []byte
	BodyType  string // type URL of the Any around Body
	Heartbeat bool   // no body: the TTL begins anew
	content   *content
}

func (m *Message) String() string {
	if m == nil {
		return "bytes on the wire"
	}
	var b strings.Builder
	from := "response"
	if m.FromClient {
		from = "request"
	}
	fmt.Fprintf(&b, "%s conn=%d stream=%d node=%q type=%s nonce=%q version=%q", from, m.Conn, m.Stream, m.Node, short(m.Type), m.Nonce, m.Version)
	list := func(what string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(&b, " %s=%q", what, names)
		}
	}
	list("names", m.Names)
	list("unsubscribe", m.Unsubscribe)
	for _, r := range m.Resources {
		fmt.Fprintf(&b, " %s@%s", r.Name, r.Version)
	}
	list("removed", m.Removed)
	if m.Error != "" {
		fmt.Fprintf(&b, " error=%q", m.Error)
	}
	return b.String()
}

func short(typeURL string) string { return typeURL[strings.LastIndexByte(typeURL, '.')+1:] }

func (m *Message) fillRequest(r *discoveryv3.DiscoveryRequest) {
	m.Type, m.Nonce, m.Version = r.GetTypeUrl(), r.GetResponseNonce(), r.GetVersionInfo()
	m.Node, m.Names, m.Error = r.GetNode().GetId(), r.GetResourceNames(), reason(r)
}

func (m *Message) fillDeltaRequest(r *discoveryv3.DeltaDiscoveryRequest) {
	m.Delta = true
	m.Type, m.Nonce = r.GetTypeUrl(), r.GetResponseNonce()
	m.Node, m.Names, m.Unsubscribe = r.GetNode().GetId(), r.GetResourceNamesSubscribe(), r.GetResourceNamesUnsubscribe()
	m.Known, m.Error = r.GetInitialResourceVersions(), reason(r)
}

func (m *Message) fillResponse(r *discoveryv3.DiscoveryResponse) error {
	m.Type, m.Nonce, m.Version = r.GetTypeUrl(), r.GetNonce(), r.GetVersionInfo()
	for _, body := range r.GetResources() {
		var wrapper discoveryv3.Resource
		if !body.MessageIs(&wrapper) {
			wrapper = discoveryv3.Resource{Version: m.Version, Resource: body}
		} else if err := body.UnmarshalTo(&wrapper); err != nil {
			return err
		}
		m.add(&wrapper)
	}
	return nil
}

func (m *Message) fillDeltaResponse(r *discoveryv3.DeltaDiscoveryResponse) {
	m.Delta = true
	m.Type, m.Nonce, m.Version, m.Removed = r.GetTypeUrl(), r.GetNonce(), r.GetSystemVersionInfo(), r.GetRemovedResources()
	for _, resource := range r.GetResources() {
		m.add(resource)
	}
}

func (m *Message) add(r *discoveryv3.Resource) {
	body := r.GetResource()
	c := newContent(body)
	name := r.GetName()
	if name == "" {
		name = cmp.Or(c.name, fmt.Sprintf("#%x", c.sum[:8]))
	}
	m.Resources = append(m.Resources, Resource{
		Name: name, Version: r.GetVersion(), Body: body.GetValue(), BodyType: body.GetTypeUrl(),
		Heartbeat: body == nil && r.GetTtl() != nil, content: c,
	})
}

// reason is "" for a request that rejects nothing: the presence of an error is what counts (C027).
func reason(r interface{ GetErrorDetail() *status.Status }) string {
	if r.GetErrorDetail() == nil {
		return ""
	}
	return fmt.Sprintf("code %d: %s", r.GetErrorDetail().GetCode(), r.GetErrorDetail().GetMessage())
}
