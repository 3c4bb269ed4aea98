package sources

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone answers from records, and with codes for some names.
type zone struct {
	records []string
	codes   map[string]int
	large   bool // UDP answers are truncated
}

func (z zone) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	name, known := query.Question[0].Name, false
	for range 2 { // follow one alias
		for _, text := range z.records {
			record, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			switch header := record.Header(); {
			case header.Name != name:
			case header.Rrtype == query.Question[0].Qtype:
				known, reply.Answer = true, append(reply.Answer, record)
			case header.Rrtype == dns.TypeCNAME:
				known, reply.Answer = true, append(reply.Answer, record)
				name = record.(*dns.CNAME).Target
			default:
				known = true
			}
		}
		if name == query.Question[0].Name {
			break
		}
	}
	if !known {
		reply.Rcode = dns.RcodeNameError
		soa, _ := dns.NewRR("example.com. 90 IN SOA ns hostmaster 1 2 3 4 40")
		reply.Ns = []dns.RR{soa}
	}
	if code, found := z.codes[query.Question[0].Name]; found {
		reply.Rcode = code
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && z.large {
		reply.Truncated, reply.Answer = true, nil
	}
	_ = w.WriteMsg(reply)
}

// serveZone serves a zone, with UDP and TCP, and returns its address.
func serveZone(t *testing.T, z zone) string {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		started, ended := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(ended); _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	}
	return tcp.Addr().String()
}

func TestResolve(t *testing.T) {
	z := zone{
		records: []string{
			"a.example.com. 30 IN A 10.0.0.2", "a.example.com. 20 IN A 10.0.0.1", "a.example.com. 50 IN AAAA 2001:db8::1",
			"alias.example.com. 7 IN CNAME a.example.com.",
			"_http._tcp.example.com. 60 IN SRV 10 5 8080 a.example.com.", "_http._tcp.example.com. 60 IN SRV 10 0 8081 b.example.com.",
			"_http._tcp.example.com. 60 IN SRV 20 5 9999 spare.example.com.", "b.example.com. 15 IN A 10.0.0.9", "spare.example.com. 1 IN A 10.0.0.10",
			"_none._tcp.example.com. 60 IN SRV 0 0 0 .", "empty.example.com. 60 IN TXT x",
		},
		codes: map[string]int{"broken.example.com.": dns.RcodeServerFailure},
	}
	for question, want := range map[question]string{
		{"a.example.com.", "", 80}:              "[{10.0.0.1:80 0} {10.0.0.2:80 0} {[2001:db8::1]:80 0}] 20s <nil>",
		{"a.example.com.", "A", 80}:             "[{10.0.0.1:80 0} {10.0.0.2:80 0}] 20s <nil>",
		{"a.example.com.", "AAAA", 80}:          "[{[2001:db8::1]:80 0}] 50s <nil>",
		{"alias.example.com.", "A", 80}:         "[{10.0.0.1:80 0} {10.0.0.2:80 0}] 7s <nil>",
		{"_http._tcp.example.com.", "SRV", 0}:   "[{10.0.0.1:8080 5} {10.0.0.2:8080 5} {10.0.0.9:8081 1} {[2001:db8::1]:8080 5}] 15s <nil>",
		{"_none._tcp.example.com.", "SRV", 0}:   "[] 1m0s <nil>",
		{"nobody.example.com.", "A", 80}:        "[] 40s <nil>",
		{"empty.example.com.", "A", 80}:         "[] 5m0s <nil>",
		{"broken.example.com.", "A", 80}:        "[] 0s server ADDRESS answers SERVFAIL",
		{"_broken._tcp.example.com.", "SRV", 0}: "[] 40s <nil>",
	} {
		for _, large := range []bool{false, true} {
			z.large = large
			address := serveZone(t, z)
			found, ttl, err := (&Resolver{[]string{address}}).resolve(t.Context(), question)
			if err != nil {
				err = fmt.Errorf("%w", err)
			}
			if got := fmt.Sprint(found, ttl, err); got != replaced(want, address) {
				t.Errorf("%v, truncated %v:\n got %s\nwant %s", question, large, got, replaced(want, address))
			}
		}
	}
}

func replaced(want, address string) string {
	const placeholder = "ADDRESS"
	for i := 0; i+len(placeholder) <= len(want); i++ {
		if want[i:i+len(placeholder)] == placeholder {
			return want[:i] + address + want[i+len(placeholder):]
		}
	}
	return want
}

// TestResolveFailsOver checks that a server that fails is replaced by the next one.
func TestResolveFailsOver(t *testing.T) {
	broken := serveZone(t, zone{codes: map[string]int{"a.example.com.": dns.RcodeRefused}})
	good := serveZone(t, zone{records: []string{"a.example.com. 30 IN A 10.0.0.1"}})
	found, ttl, err := (&Resolver{[]string{broken, good}}).resolve(t.Context(), question{"a.example.com.", "A", 80})
	if err != nil || len(found) != 1 || ttl != 30*time.Second {
		t.Errorf("got %v, %v, %v: want the answer of the second server", found, ttl, err)
	}
}
