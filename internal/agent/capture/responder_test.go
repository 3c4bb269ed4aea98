package capture

import (
	"net"
	"testing"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// recorder is a client of a responder.
type recorder struct {
	dns.ResponseWriter
	reply *dns.Msg
}

func (r *recorder) WriteMsg(m *dns.Msg) error {
	r.reply = m
	return nil
}

func (r *recorder) RemoteAddr() net.Addr { return &net.UDPAddr{} }

// TestResponder: names of the mesh are answered in any case of letters, also while no further query may be passed on to
// the nameserver. Others are then refused, and not kept waiting.
func TestResponder(t *testing.T) {
	r := &responder{ctx: t.Context(), hosts: func() map[string]mesh.Virtual { return map[string]mesh.Virtual{"users": mesh.VirtualHTTP()} }}
	for _, c := range []struct {
		name  string
		kind  uint16
		rcode int
		value string
	}{
		{"users.", dns.TypeA, dns.RcodeSuccess, "127.192.0.1"},
		{"Users.", dns.TypeA, dns.RcodeSuccess, "127.192.0.1"},
		{"users.", dns.TypeHTTPS, dns.RcodeSuccess, ""},
		{"users.example.com.", dns.TypeA, dns.RcodeServerFailure, ""},
	} {
		w := &recorder{}
		r.ServeDNS(w, new(dns.Msg).SetQuestion(c.name, c.kind))
		value := ""
		if len(w.reply.Answer) > 0 {
			value = w.reply.Answer[0].(*dns.A).A.String()
		}
		if w.reply.Rcode != c.rcode || value != c.value || !w.reply.Response {
			t.Errorf("%s %s: answered with %v", c.name, dns.TypeToString[c.kind], w.reply)
		}
	}
}
