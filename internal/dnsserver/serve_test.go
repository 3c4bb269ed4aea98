package dnsserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// manifests are the ports of the services that have a manifest.
var manifests = map[mesh.ServiceName][]mesh.PortName{
	"users": {"http", "admin"}, "orders": {"http"}, "big": {"http"}, "worker": nil, "empty": {"grpc"},
}

// fixture is a DNS server of a registry.
type fixture struct {
	t        *testing.T
	registry *registry.Registry
	address  string
}

// serve starts a server for the domain mesh.
func serve(t *testing.T) *fixture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	instances, err := registry.New(ctx, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := dnsserver.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- instances.Run(ctx) }()
	go func() { ended <- dnsserver.Serve(ctx, sockets, options(instances)) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("ended with %v", err)
			}
		}
	})
	return &fixture{t, instances, sockets.Addr().String()}
}

func options(instances *registry.Registry) dnsserver.Options {
	return dnsserver.Options{
		Instances: instances.Snapshot, Domain: "mesh",
		Ports: func(service mesh.ServiceName) ([]mesh.PortName, bool) {
			ports, known := manifests[service]
			return ports, known
		},
	}
}

// add registers instances: "10.0.0.7:80 healthy", with further ports "admin=81".
func (f *fixture) add(service mesh.ServiceName, instances ...string) {
	f.t.Helper()
	for _, text := range instances {
		words := strings.Fields(text)
		i := registry.Instance{Key: registry.Key{Service: service, Address: netip.MustParseAddrPort(words[0])}, State: registry.State(words[1])}
		for _, port := range words[2:] {
			var name string
			var number int
			if _, err := fmt.Sscanf(strings.ReplaceAll(port, "=", " "), "%s %d", &name, &number); err != nil {
				f.t.Fatal(err)
			}
			i.Ports = map[mesh.PortName]int{mesh.PortName(name): number}
		}
		if _, err := f.registry.CheckIn(f.t.Context(), i); err != nil {
			f.t.Fatal(err)
		}
	}
}

// ask sends a question over a network, udp or tcp.
func (f *fixture) ask(network string, query *dns.Msg) *dns.Msg {
	f.t.Helper()
	client := dns.Client{Net: network}
	reply, _, err := client.ExchangeContext(f.t.Context(), query, f.address)
	if err != nil {
		f.t.Fatalf("%v: %v", query.Question, err)
	}
	reply.Compress = true // so that its length is what was sent
	return reply
}

// answers returns the records of the answer to a question, sorted, each without its name, TTL and class.
func (f *fixture) answers(name, kind string) string {
	f.t.Helper()
	reply := f.ask("udp", new(dns.Msg).SetQuestion(name, dns.StringToType[kind]))
	var records []string
	for _, record := range reply.Answer {
		records = append(records, strings.TrimPrefix(record.String(), record.Header().String()))
	}
	slices.Sort(records)
	if len(records) > 0 {
		return strings.Join(records, ", ")
	}
	if len(reply.Ns) == 0 || reply.Ns[0].Header().Rrtype != dns.TypeSOA {
		return dns.RcodeToString[reply.Rcode] + " without SOA"
	}
	if reply.Rcode == dns.RcodeSuccess {
		return "nothing"
	}
	return dns.RcodeToString[reply.Rcode]
}

func TestAnswers(t *testing.T) {
	f := serve(t)
	f.add("users", "10.0.0.7:80 healthy admin=81", "10.0.0.8:90 healthy", "[2001:db8::7]:80 healthy admin=81", "10.0.0.9:80 draining admin=81", "10.0.0.10:80 starting", "10.0.0.11:80 unhealthy")
	f.add("orders", "10.0.1.1:80 unhealthy", "10.0.1.2:80 unhealthy", "10.0.1.3:80 draining", "[2001:db8::1]:80 starting")
	f.add("stray", "10.0.2.1:80 healthy metrics=99")
	for question, want := range map[string]string{
		// Only the healthy ones.
		"users.mesh. A":    "10.0.0.7, 10.0.0.8",
		"USERS.mEsH. A":    "10.0.0.7, 10.0.0.8",
		"users.mesh. AAAA": "2001:db8::7",
		"users.mesh. SRV":  "0 100 80 10-0-0-7.users.mesh., 0 100 80 ip6-20010db8000000000000000000000007.users.mesh., 0 100 90 10-0-0-8.users.mesh.",
		"users.mesh. MX":   "nothing",
		"users.mesh. ANY":  `"RFC8482" ""`,
		// The unhealthy ones, while no instance of the service is healthy.
		"orders.mesh. A":    "10.0.1.1, 10.0.1.2",
		"orders.mesh. AAAA": "nothing",
		// Ports.
		"_http._tcp.users.mesh. SRV":  "0 100 80 10-0-0-7.users.mesh., 0 100 80 ip6-20010db8000000000000000000000007.users.mesh., 0 100 90 10-0-0-8.users.mesh.",
		"_admin._tcp.users.mesh. SRV": "0 100 81 10-0-0-7.users.mesh., 0 100 81 ip6-20010db8000000000000000000000007.users.mesh.",
		"_http._tcp.users.mesh. A":    "nothing",
		"_tcp.users.mesh. SRV":        "nothing",
		"_grpc._tcp.users.mesh. SRV":  "NXDOMAIN",
		"_http._udp.users.mesh. SRV":  "NXDOMAIN",
		"admin.users.mesh. A":         "10.0.0.7",
		"http.users.mesh. A":          "NXDOMAIN",
		"a.b.users.mesh. A":           "NXDOMAIN",
		// A service without a manifest has the ports of its instances.
		"stray.mesh. A":                 "10.0.2.1",
		"_metrics._tcp.stray.mesh. SRV": "0 100 99 10-0-2-1.stray.mesh.",
		"_http._tcp.stray.mesh. SRV":    "NXDOMAIN",
		// One instance, in whatever state.
		"10-0-0-7.users.mesh. A":                                "10.0.0.7",
		"10-0-0-7.users.mesh. AAAA":                             "nothing",
		"10-0-0-9.users.mesh. A":                                "10.0.0.9",
		"ip6-20010db8000000000000000000000007.users.mesh. AAAA": "2001:db8::7",
		"10-0-0-7.orders.mesh. A":                               "NXDOMAIN",
		// A service without instances exists.
		"empty.mesh. A":              "nothing",
		"_grpc._tcp.empty.mesh. SRV": "nothing",
		"worker.mesh. SRV":           "nothing",
		"nothing.mesh. A":            "NXDOMAIN",
		// The domain itself, and others.
		"mesh. SOA":          "mesh. hostmaster.mesh. SEQUENCE 3600 600 86400 5",
		"mesh. A":            "nothing",
		"mesh. AXFR":         "REFUSED without SOA",
		"example.com. A":     "REFUSED without SOA",
		"notmesh. A":         "REFUSED without SOA",
		". NS":               "REFUSED without SOA",
		`us\.ers.mesh. A`:    "NXDOMAIN",
		`\000\255\@.mesh. A`: "NXDOMAIN",
	} {
		name, kind, _ := strings.Cut(question, " ")
		want = strings.ReplaceAll(want, "SEQUENCE", fmt.Sprint(f.registry.Snapshot().Sequence()))
		if got := f.answers(name, kind); got != want {
			t.Errorf("%s\n got: %s\nwant: %s", question, got, want)
		}
	}
}

// TestReply checks what is in every reply: the question as it was asked, so that resolvers which vary the case
// of letters accept it, and flags.
func TestReply(t *testing.T) {
	f := serve(t)
	f.add("users", "10.0.0.7:80 healthy")
	reply := f.ask("udp", new(dns.Msg).SetQuestion("uSeRs.MeSh.", dns.TypeA))
	if reply.Question[0].Name != "uSeRs.MeSh." || len(reply.Answer) != 1 || reply.Answer[0].Header().Name != "uSeRs.MeSh." {
		t.Errorf("got %v: want the name as it was asked for", reply)
	}
	if !reply.Authoritative || reply.RecursionAvailable || reply.Truncated || reply.Answer[0].Header().Ttl != 5 {
		t.Errorf("got %v: want an authoritative answer for 5 s, without recursion", reply)
	}
	srv := f.ask("tcp", new(dns.Msg).SetQuestion("users.mesh.", dns.TypeSRV))
	if len(srv.Extra) != 1 || srv.Extra[0].Header().Name != srv.Answer[0].(*dns.SRV).Target || srv.Extra[0].(*dns.A).A.String() != "10.0.0.7" {
		t.Errorf("got %v: want the address of the target", srv)
	}
	for what, c := range map[string]struct {
		change func(*dns.Msg)
		rcode  int
	}{
		"another class":        {func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		"a notification":       {func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		"an update":            {func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		"two questions":        {func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
		"no question":          {func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		"a future EDNS":        {func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		"EDNS of today":        {func(m *dns.Msg) { m.SetEdns0(1232, true) }, dns.RcodeSuccess},
		"a size that is small": {func(m *dns.Msg) { m.SetEdns0(1, true) }, dns.RcodeSuccess},
	} {
		query := new(dns.Msg).SetQuestion("users.mesh.", dns.TypeA)
		c.change(query)
		if got := f.ask("udp", query).Rcode; got != c.rcode {
			t.Errorf("%s: got %s, want %s", what, dns.RcodeToString[got], dns.RcodeToString[c.rcode])
		}
	}
}

// TestLargeService checks that answers are bounded, that UDP answers fit, and that every instance has its turn.
func TestLargeService(t *testing.T) {
	f := serve(t)
	for i := range 300 {
		f.add("big", fmt.Sprintf("10.1.%d.%d:80 healthy", i/256, i%256))
	}
	small := f.ask("udp", new(dns.Msg).SetQuestion("big.mesh.", dns.TypeA))
	if !small.Truncated || small.Len() > dns.MinMsgSize || len(small.Answer) == 0 {
		t.Errorf("got %d records in %d bytes, truncated %v: want a truncated answer of at most 512 bytes", len(small.Answer), small.Len(), small.Truncated)
	}
	large := new(dns.Msg).SetQuestion("big.mesh.", dns.TypeSRV)
	large.SetEdns0(65535, false)
	if reply := f.ask("udp", large); !reply.Truncated || reply.Len() > 1232 {
		t.Errorf("got %d bytes, truncated %v: want at most 1232, whatever the client says", reply.Len(), reply.Truncated)
	}
	if reply := f.ask("tcp", large); reply.Truncated || len(reply.Answer) != 64 || len(reply.Extra) < 64 {
		t.Errorf("got %d records and %d more, truncated %v: want 64, with their addresses", len(reply.Answer), len(reply.Extra), reply.Truncated)
	}
	fits := new(dns.Msg).SetQuestion("big.mesh.", dns.TypeA)
	fits.SetEdns0(1232, false)
	seen := map[string]bool{}
	for range 200 {
		reply := f.ask("udp", fits)
		if reply.Truncated || len(reply.Answer) != 64 {
			t.Fatalf("got %d records, truncated %v: want 64 that fit", len(reply.Answer), reply.Truncated)
		}
		for _, record := range reply.Answer {
			seen[record.(*dns.A).A.String()] = true
		}
	}
	if len(seen) != 300 {
		t.Errorf("200 answers named %d of 300 instances", len(seen))
	}
}

// TestOrderVaries checks that clients that take the first address are spread over all instances.
func TestOrderVaries(t *testing.T) {
	f := serve(t)
	f.add("users", "10.0.0.1:80 healthy", "10.0.0.2:80 healthy", "10.0.0.3:80 healthy")
	first := map[string]int{}
	for range 300 {
		reply := f.ask("udp", new(dns.Msg).SetQuestion("users.mesh.", dns.TypeA))
		first[reply.Answer[0].(*dns.A).A.String()]++
	}
	if len(first) != 3 || slices.Min([]int{first["10.0.0.1"], first["10.0.0.2"], first["10.0.0.3"]}) < 50 {
		t.Errorf("of 300 answers, the first address was %v: want each about 100 times", first)
	}
}

// TestAnswersFollowTheRegistry checks that an answer is never older than the registry.
func TestAnswersFollowTheRegistry(t *testing.T) {
	f := serve(t)
	key := registry.Key{Service: "users", Address: netip.MustParseAddrPort("10.0.0.1:80")}
	for range 20 {
		f.add("users", "10.0.0.1:80 healthy")
		if got := f.answers("users.mesh.", "A"); got != "10.0.0.1" {
			t.Fatalf("after a check-in: %s", got)
		}
		if err := f.registry.Leave(t.Context(), key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		if got := f.answers("users.mesh.", "A"); got != "nothing" {
			t.Fatalf("after a goodbye: %s", got)
		}
	}
}

// TestGoResolver looks names up as Go programs do.
func TestGoResolver(t *testing.T) {
	f := serve(t)
	f.add("users", "10.0.0.7:80 healthy admin=81", "[2001:db8::7]:80 healthy")
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, f.address)
	}}
	addresses, err := resolver.LookupHost(t.Context(), "users.mesh.")
	slices.Sort(addresses)
	if err != nil || !slices.Equal(addresses, []string{"10.0.0.7", "2001:db8::7"}) {
		t.Errorf("got %v, %v: want both addresses", addresses, err)
	}
	_, locations, err := resolver.LookupSRV(t.Context(), "admin", "tcp", "users.mesh.")
	if err != nil || len(locations) != 1 || locations[0].Port != 81 || locations[0].Target != "10-0-0-7.users.mesh." {
		t.Errorf("got %+v, %v: want the admin port", locations, err)
	}
	missing := new(net.DNSError)
	if _, err := resolver.LookupHost(t.Context(), "nobody.mesh."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("got %v: want that there is no such host", err)
	}
}
