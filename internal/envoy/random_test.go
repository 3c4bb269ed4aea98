package envoy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
	"github.com/doyen-mesh/doyen/xds"
)

// TestValidDocumentsCompile generates random documents from few names, ports and paths, so that they often collide.
// Documents that are valid must compile for every proxy of every role. No two listeners of a proxy may use one
// socket, no two hosts or routes one name, and no message may break the rules of its type.
func TestValidDocumentsCompile(t *testing.T) {
	valid := 0
	const folders = 1000
	for seed := range uint64(folders) {
		text := randomDocuments(seed)
		snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(text)})
		if problems != nil {
			continue
		}
		valid++
		for _, node := range nodesOf(&snapshot.Documents) {
			p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: node})
			if err == nil {
				err = checkProxy(p)
			}
			if err != nil {
				t.Fatalf("seed %d: %s %s%s: %v\n%s", seed, node.Role, node.Service, node.Edge, err, text)
			}
		}
	}
	if valid < folders/10 || valid > folders*9/10 {
		t.Errorf("%d of %d folders are valid: both kinds are needed", valid, folders)
	}
}

// TestRealEnvoyAcceptsValidDocuments validates a sample of them with a real Envoy.
func TestRealEnvoyAcceptsValidDocuments(t *testing.T) {
	binary := machine.Envoy(t)
	certificates := certificateFolder(t)
	proxies := 0
	for seed := uint64(0); proxies < 6; seed++ {
		text := randomDocuments(seed)
		snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(text)})
		if problems != nil {
			continue
		}
		for _, node := range nodesOf(&snapshot.Documents) {
			if node.Role == mesh.Proxyless || proxies == 6 {
				continue
			}
			proxies++
			p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: node})
			if err != nil {
				t.Fatal(err)
			}
			static, err := bootstrap.Static(bootstrap.Options{Node: node, Instance: "1", CA: filepath.Join(certificates, "shop.pem")}, p, nil)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, binary, certificates, static)
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, text)
			}
		}
	}
}

// nodesOf returns a node of every role that the documents have, all with default ports.
func nodesOf(docs *config.Documents) (nodes []mesh.Node) {
	for name := range docs.Services.Keys() {
		nodes = append(nodes, mesh.Node{Role: mesh.Sidecar, Service: name}, mesh.Node{Role: mesh.Proxyless, Service: name})
	}
	for name := range docs.Edges.Keys() {
		nodes = append(nodes, mesh.Node{Role: mesh.EdgeProxy, Edge: name})
	}
	return nodes
}

// checkProxy returns the first thing in a proxy that a client would refuse, or that could have no effect.
func checkProxy(p ir.Proxy) error {
	resources, err := envoy.Resources(p)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, r := range resources {
		key := r.Type() + " " + r.Name()
		if names[key] {
			return fmt.Errorf("two resources are named %s", key)
		}
		names[key] = true
		if err := checkMessage(r); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return checkSockets(p)
}

// checkMessage checks a resource by the validation rules of its message, and the hosts of routes.
func checkMessage(r envoy.Resource) error {
	messages := map[string]interface {
		proto.Message
		ValidateAll() error
	}{
		xds.ClusterType: &clusterv3.Cluster{}, xds.ListenerType: &listenerv3.Listener{}, xds.RouteType: &routev3.RouteConfiguration{},
	}
	m := messages[r.Type()]
	if m == nil {
		return nil
	}
	if err := proto.Unmarshal(r.Body(), m); err != nil {
		return err
	}
	routes, isRoutes := m.(*routev3.RouteConfiguration)
	if !isRoutes {
		return m.ValidateAll()
	}
	domains := map[string]bool{}
	for _, host := range routes.VirtualHosts {
		for _, domain := range host.Domains {
			if domains[domain] {
				return fmt.Errorf("two virtual hosts have the domain %s", domain)
			}
			domains[domain] = true
		}
		paths := map[string]bool{}
		for _, route := range host.Routes {
			path := route.Match.String()
			if paths[path] {
				return fmt.Errorf("two routes of %s match %s", host.Name, path)
			}
			paths[path] = true
		}
	}
	return m.ValidateAll()
}

// checkSockets compares everything that listens on the host of a proxy: its listeners, its admin pages and the
// application.
func checkSockets(p ir.Proxy) error {
	loopback := netip.MustParseAddr("127.0.0.1")
	type use struct {
		by string
		at netip.AddrPort
	}
	used := []use{{"admin", netip.AddrPortFrom(loopback, mesh.DefaultAdminPort)}}
	if p.Egress != nil {
		used = append(used, use{"egress", p.Egress.Bind})
	}
	for _, tunnel := range p.Tunnels {
		used = append(used, use{"tunnel " + string(tunnel.Target.Name), tunnel.Bind})
	}
	for _, in := range p.Ingress {
		used = append(used, use{"ingress " + string(in.Port), in.Bind})
	}
	for _, u := range p.Upstreams {
		if u.Target.Kind == ir.Local {
			used = append(used, use{"application " + string(u.Target.Port), u.Addresses[0]})
		}
	}
	if p.Edge != nil {
		for _, l := range p.Edge.Listeners {
			used = append(used, use{"listener " + l.Name, l.Bind})
		}
	}
	for i, a := range used {
		for _, b := range used[:i] {
			if mesh.SocketsOverlap(a.at, b.at) {
				return fmt.Errorf("%s and %s both listen on %s", b.by, a.by, a.at)
			}
		}
	}
	return nil
}

// documentWriter writes random documents.
type documentWriter struct {
	*rand.Rand
	strings.Builder
}

// randomDocuments returns a folder of random documents, the same for the same seed.
func randomDocuments(seed uint64) string {
	w := &documentWriter{Rand: rand.New(rand.NewPCG(seed, 1))}
	names := []string{"users", "admin", "http", "grpc", "web", "local", "egress", "edge", "mesh", "a-b"}
	w.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:2+w.IntN(4)]
	if w.chance(3) {
		fmt.Fprintf(w, "kind: Mesh\nname: m\ndefaults: %s\nbounds: {maxTimeout: 20s, maxRetries: 3}\n---\n", w.traffic(true))
	}
	externals := names[len(names)-w.IntN(2):]
	services := names[:len(names)-len(externals)]
	for _, name := range services {
		w.service(name, names)
	}
	for _, name := range externals {
		w.external(name)
	}
	if w.chance(2) {
		w.edge(services)
	}
	return w.String()
}

func (w *documentWriter) chance(oneIn int) bool { return w.IntN(oneIn) == 0 }

func (w *documentWriter) one(words ...string) string { return words[w.IntN(len(words))] }

func (w *documentWriter) port() string {
	if w.chance(8) {
		return w.one("9001", "9211", "9212", "9213", "9214", "9901") // most are the sidecar's
	}
	return fmt.Sprint(8000 + w.IntN(40))
}

func (w *documentWriter) protocol() string {
	return w.one("http", "http", "http", "http2", "grpc", "grpc", "tcp")
}

func (w *documentWriter) service(name string, all []string) {
	fmt.Fprintf(w, "kind: Service\nname: %s\n", name)
	if !w.chance(12) {
		fmt.Fprintf(w, "ports: [{protocol: %s, port: %s}", w.protocol(), w.port())
		for range w.IntN(2) * w.IntN(3) {
			fmt.Fprintf(w, ", {name: %s, protocol: %s, port: %s}", w.one("admin", "users", "web"), w.one("http", "http2", "grpc"), w.port())
		}
		w.WriteString("]\n")
		if w.chance(8) {
			fmt.Fprintf(w, "health: %s\n", w.one("/healthz", "grpc", "tcp", "{http: /ready, port: admin, interval: 500ms}", "{grpc: shop.Users, interval: 100ms}"))
		}
	}
	if w.chance(2) {
		w.WriteString("calls:\n")
		for _, i := range w.Perm(len(all))[:1+w.IntN(len(all))] {
			fmt.Fprintf(w, "- {to: %s", all[i])
			if w.chance(16) {
				fmt.Fprintf(w, ", localPort: %s", w.port())
			}
			if w.chance(5) {
				fmt.Fprintf(w, ", traffic: %s", w.traffic(false))
			}
			w.WriteString("}\n")
		}
	}
	if w.chance(5) {
		fmt.Fprintf(w, "traffic: %s\n", w.traffic(false))
	}
	w.WriteString("---\n")
}

func (w *documentWriter) external(name string) {
	fmt.Fprintf(w, "kind: External\nname: %s\nprotocol: %s\nport: %s\n", name, w.protocol(), w.port())
	if w.chance(2) {
		w.WriteString("host: db.example.com\n")
	} else {
		w.WriteString("addresses: [10.1.0.7, '2001:db8::7', '::ffff:10.1.0.7']\n")
	}
	w.WriteString(w.one("", "", "tls: {serverName: db.example.com}\n", "tls: {serverName: db.example.com, ca: /etc/doyen/tls/shop.pem}\n", "localPort: 9213\n"))
	w.WriteString("---\n")
}

func (w *documentWriter) edge(services []string) {
	w.WriteString("kind: Edge\nname: public\nlisteners:\n")
	for i := range 1 + w.IntN(2)*w.IntN(3) {
		fmt.Fprintf(w, "- {name: l%d, port: %s, address: '%s'%s}\n", i, w.port(), w.one("0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:127.0.0.1"),
			w.one("", "", ", tls: {certificate: /etc/doyen/tls/shop.pem, key: /etc/doyen/tls/shop.key}"))
	}
	w.WriteString("routes:\n")
	for range 1 + w.IntN(4) {
		fmt.Fprintf(w, "- {to: %s, path: %s, hosts: %s", services[w.IntN(len(services))],
			w.one("/", "/users", "/users", "/users/", "/users/7", "/a.b-c_~", fmt.Sprintf("/%d", w.IntN(100)), fmt.Sprintf("/%d/", w.IntN(100))),
			w.one("'*'", "shop.example.com", "[shop.example.com, '*.example.com']", "'*.example.com'"))
		if w.chance(4) {
			fmt.Fprintf(w, ", traffic: %s", w.traffic(false))
		}
		w.WriteString("}\n")
	}
	w.WriteString("---\n")
}

// traffic sets one or two settings. For a Mesh it also sets those that its bounds require.
func (w *documentWriter) traffic(bounded bool) string {
	fields := map[string]string{}
	for range 1 + w.IntN(2) {
		switch w.IntN(6) {
		case 0:
			fields["timeout"] = w.one("0s", "1ms", "2s", "20s")
		case 1:
			fields["connectTimeout"] = w.one("1ms", "1m")
		case 2:
			fields["retries"] = w.one("0", "3", "{on: [reset, 5xx]}", "{on: [unavailable], perTryTimeout: 500ms}")
		case 3:
			fields["circuitBreaker"] = w.one("{connections: 1, pendingRequests: 1, requests: 1, retries: 0}", "{requests: 1000000}")
		case 4:
			fields["outliers"] = w.one("0", "1000", "{interval: 100ms, ejectFor: 1h, maxEjectedPercent: 0}", "{maxEjectedPercent: 100}")
		case 5:
			fields["slowStart"] = w.one("0s", "1ms", "15m")
		}
	}
	if bounded && fields["timeout"] == "0s" {
		delete(fields, "timeout")
	}
	var all []string
	for _, name := range []string{"timeout", "connectTimeout", "retries", "circuitBreaker", "outliers", "slowStart"} {
		if text, ok := fields[name]; ok {
			all = append(all, name+": "+text)
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}
