package dnsserver

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// newTestHandler returns a handler for a service users with n instances.
func newTestHandler(t testing.TB, n int, state registry.State) *handler {
	t.Helper()
	instances, err := registry.New(t.Context(), registry.Options{Store: stored(n, state)})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHandler(Options{
		Instances: instances.Snapshot, Domain: "Mesh.Example.com.",
		Ports: func(service mesh.ServiceName) ([]mesh.PortName, bool) {
			return []mesh.PortName{"http"}, service == "users"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// FuzzReply sends arbitrary packets to the handler: it never panics, and what it replies is a reply to them that can
// be encoded, fits, and is never much larger than the query unless that asked for what exists.
func FuzzReply(f *testing.F) {
	for _, name := range []string{"users.mesh.example.com.", "_http._tcp.users.mesh.example.com.", "10-0-0-0.users.mesh.example.com.", `\.\000.mesh.example.com.`, "."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeOPT} {
			query := new(dns.Msg).SetQuestion(name, kind).SetEdns0(4096, true)
			packet, err := query.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packet)
		}
	}
	h := newTestHandler(f, 100, registry.Healthy)
	f.Fuzz(func(t *testing.T, packet []byte) {
		query := new(dns.Msg)
		if query.Unpack(packet) != nil {
			return
		}
		reply := h.reply(query)
		shorten(reply, udpLimit(query))
		sent, err := reply.Pack()
		if err != nil {
			t.Fatalf("the reply %v to %v cannot be encoded: %v", reply, query, err)
		}
		if len(sent) > maxUDP && len(query.Question) == 1 {
			t.Errorf("the reply to %v has %d bytes", query, len(sent))
		}
		again := new(dns.Msg)
		if err := again.Unpack(sent); err != nil || !again.Response || again.Id != query.Id || again.RecursionAvailable {
			t.Errorf("the reply to %v is %v, %v", query, again, err)
		}
	})
}

// TestLimiter checks that a network that sends too much gets its limit and no more, and that others are not affected.
func TestLimiter(t *testing.T) {
	l, now := newLimiter(), time.Now()
	allowed := func(ip string, tries int) (n int) {
		for range tries {
			if l.allows(netip.MustParseAddr(ip), now) {
				n++
			}
		}
		return n
	}
	if got := allowed("192.0.2.1", 700) + allowed("192.0.2.2", 700); got != maxAnswers {
		t.Errorf("a network got %d answers, want %d", got, maxAnswers)
	}
	if got := allowed("2001:db8::1", 10); got != 10 {
		t.Errorf("another network got %d answers of 10", got)
	}
	if got := allowed("127.0.0.1", 2*maxAnswers); got != 2*maxAnswers {
		t.Errorf("this host got %d answers, want all", got)
	}
	now = now.Add(time.Second / 2)
	if got := allowed("192.0.2.1", 2000); got != maxAnswers/2 {
		t.Errorf("after half a second: %d answers, want %d", got, maxAnswers/2)
	}
}

// TestAnswerCost counts the instances that an answer looks at: 64 of a service of 10,000.
func TestAnswerCost(t *testing.T) {
	h := newTestHandler(t, 10_000, registry.Healthy)
	looked := 0
	chosen := choose(h.Instances().Instances("users"), maxRecords, func(*registry.Instance) bool { looked++; return true })
	if len(chosen) != maxRecords || looked != maxRecords {
		t.Errorf("chose %d, looked at %d: want %d", len(chosen), looked, maxRecords)
	}
}

// TestShuffled checks that every order is a permutation, and that each element begins one about as often.
func TestShuffled(t *testing.T) {
	for n := range 50 {
		for range 20 {
			order := slices.Collect(shuffled(n))
			slices.Sort(order)
			for i, v := range order {
				if i != v {
					t.Fatalf("%d: %v is no permutation", n, order)
				}
			}
			if len(order) != n {
				t.Fatalf("%d: got %d", n, len(order))
			}
		}
	}
}

func TestLabels(t *testing.T) {
	for _, text := range []string{"10.0.0.7", "255.255.255.255", "2001:db8::7", "::1"} {
		address := netip.MustParseAddr(text)
		if got := parseLabel(label(address)); got != address {
			t.Errorf("%v becomes %v", address, got)
		}
	}
	for _, text := range []string{"", "admin", "10-0-0", "010-0-0-7", "ip6-", "ip6-20010DB8000000000000000000000007", "ip6-0a000007", "10-0-0-7-"} {
		if got := parseLabel(text); got.IsValid() {
			t.Errorf("%q becomes %v, want nothing", text, got)
		}
	}
}

func TestParseDomain(t *testing.T) {
	for text, want := range map[string]string{
		"mesh": "mesh", "Mesh.": "mesh", "mesh.example.com": "mesh.example.com",
		"": "", ".": "", "a..b": "", "me sh": "", "-mesh": "",
	} {
		if got, err := ParseDomain(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// BenchmarkAnswer answers a query for a service of 10,000 instances.
func BenchmarkAnswer(b *testing.B) {
	for _, state := range []registry.State{registry.Healthy, registry.Draining} {
		h := newTestHandler(b, 10_000, state)
		b.Run(string(state), func(b *testing.B) {
			query := new(dns.Msg).SetQuestion("users.mesh.example.com.", dns.TypeA).SetEdns0(1232, false)
			for b.Loop() {
				reply := h.reply(query)
				shorten(reply, maxUDP)
				if _, err := reply.Pack(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func instance(n int, state registry.State) *registry.Instance {
	i := registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort(fmt.Sprintf("10.0.%d.%d:80", n/256, n%256))}, State: state}.WithDefaults()
	return &i
}
