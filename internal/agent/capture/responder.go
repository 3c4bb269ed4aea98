package capture

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Limits of what is passed on to a nameserver.
const (
	maxQueries    = 256             // at the same time; more are answered with SERVFAIL
	queryPatience = 4 * time.Second // for the nameserver's answer; programs wait 5 s before they ask again
)

// ttl is how long programs may keep a virtual address, in seconds.
const ttl = 5

// responder answers the queries to one nameserver.
type responder struct {
	ctx      context.Context // of queries that are passed on
	upstream string          // the nameserver, host:port
	hosts    func() map[string]mesh.Virtual
	slots    chan struct{} // one for each query that is passed on
}

// ServeDNS answers one query.
func (r *responder) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	if len(query.Question) == 1 && query.Opcode == dns.OpcodeQuery && query.Question[0].Qclass == dns.ClassINET {
		q := query.Question[0]
		if v, ours := r.hosts()[strings.ToLower(strings.TrimSuffix(q.Name, "."))]; ours {
			_ = w.WriteMsg(answer(query, q, v)) // an error means that the program is gone
			return
		}
	}
	if raw := r.ask(query, w.RemoteAddr().Network()); raw != nil {
		_, _ = w.Write(raw)
		return
	}
	failure := new(dns.Msg)
	failure.SetRcode(query, dns.RcodeServerFailure)
	_ = w.WriteMsg(failure)
}

// answer returns the addresses of a name of the mesh. It has no records of other types than A and AAAA.
func answer(query *dns.Msg, q dns.Question, v mesh.Virtual) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative, reply.RecursionAvailable = true, true
	if opt := query.IsEdns0(); opt != nil {
		reply.SetEdns0(opt.UDPSize(), false)
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case q.Qtype == dns.TypeA:
		reply.Answer = []dns.RR{&dns.A{Hdr: header, A: v.IPv4.AsSlice()}}
	case q.Qtype == dns.TypeAAAA && reaches(v.IPv6):
		reply.Answer = []dns.RR{&dns.AAAA{Hdr: header, AAAA: v.IPv6.AsSlice()}}
	}
	return reply
}

// reaches reports whether this host has a route to an IPv6 address. Programs connect only where they have a route,
// although the connection is redirected. A virtual address would be no use to them on a host without IPv6.
func reaches(address netip.Addr) bool {
	conn, err := net.Dial("udp6", netip.AddrPortFrom(address, 1).String()) // sends nothing
	if err != nil {
		return false
	}
	defer conn.Close()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return err == nil && !local.Addr().IsLinkLocalUnicast()
}

// ask passes a query on, by udp or tcp as it came, and returns the nameserver's answer as it is; nil if there is none.
func (r *responder) ask(query *dns.Msg, network string) []byte {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, queryPatience)
	defer cancel()
	client := dns.Client{Net: network, Dialer: &marked, Timeout: queryPatience}
	conn, err := client.DialContext(ctx, r.upstream)
	if err != nil {
		return nil
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if conn.UDPSize = dns.MinMsgSize; query.IsEdns0() != nil {
		conn.UDPSize = max(conn.UDPSize, query.IsEdns0().UDPSize())
	}
	if conn.WriteMsg(query) != nil {
		return nil
	}
	for {
		var header dns.Header
		raw, err := conn.ReadMsgHeader(&header)
		if err != nil {
			return nil
		}
		if header.Id == query.Id {
			return raw
		}
	}
}
