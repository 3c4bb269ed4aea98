package dnsserver

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// maxUDP is the size of the largest answer over UDP, in bytes, which passes every usual path without fragments (DNS
// flag day 2020). Clients that do not say how much they take get 512 bytes (RFC 1035 section 2.3.4).
const maxUDP = 1232

// handler answers queries. It is safe for concurrent use.
type handler struct {
	Options
	domain  string // in lower case, with a dot at the end
	labels  int    // of domain
	seconds uint32 // TTL
	limiter *limiter
}

func newHandler(o Options) (*handler, error) {
	domain, err := ParseDomain(o.Domain)
	if err != nil {
		return nil, err
	}
	ttl := cmp.Or(o.TTL, DefaultTTL)
	return &handler{Options: o, domain: domain + ".", labels: dns.CountLabel(domain), seconds: uint32(ttl / time.Second), limiter: newLimiter()}, nil
}

// ParseDomain returns a domain such as mesh or mesh.example.com in lower case, without a dot at the end.
func ParseDomain(s string) (string, error) {
	domain := strings.ToLower(strings.TrimSuffix(s, "."))
	if len(domain) > 100 {
		return "", fmt.Errorf("domain %.20q... has %d bytes: want at most 100", domain, len(domain))
	}
	for label := range strings.SplitSeq(domain, ".") {
		if _, err := mesh.ParseServiceName(label); err != nil {
			return "", fmt.Errorf("domain %q: want DNS labels such as mesh or mesh.example.com", s)
		}
	}
	return domain, nil
}

// ServeDNS answers one query.
func (h *handler) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	from, limit := w.RemoteAddr(), dns.MaxMsgSize
	udp, isUDP := from.(*net.UDPAddr)
	reply := new(dns.Msg)
	if isUDP && !h.limiter.allows(address(udp), time.Now()) {
		reply.SetReply(query)
		reply.Truncated = true
	} else {
		reply = h.reply(query)
	}
	if isUDP {
		limit = udpLimit(query)
	}
	shorten(reply, limit)
	if err := w.WriteMsg(reply); err != nil && h.Log != nil {
		h.Log.Debug("DNS answer cannot be sent", "to", from.String(), "error", err)
	}
}

func address(a *net.UDPAddr) netip.Addr { return a.AddrPort().Addr().Unmap() }

// udpLimit returns how many bytes an answer to query may have over UDP.
func udpLimit(query *dns.Msg) int {
	if opt := query.IsEdns0(); opt != nil {
		return min(max(int(opt.UDPSize()), dns.MinMsgSize), maxUDP)
	}
	return dns.MinMsgSize
}

// shorten makes reply fit into limit bytes. Additional records are left out first, without a notice, because a client
// can ask for them (RFC 2181 section 9).
func shorten(reply *dns.Msg, limit int) {
	reply.Compress = true
	if reply.Len() <= limit {
		return
	}
	opt := reply.IsEdns0()
	if reply.Extra = nil; opt != nil {
		reply.Extra = []dns.RR{opt}
	}
	reply.Truncate(limit)
}

// reply returns the answer to query, of any length.
func (h *handler) reply(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg)
	reply.SetReply(query)
	if opt := query.IsEdns0(); opt != nil {
		reply.SetEdns0(maxUDP, false)
		if opt.Version() != 0 {
			reply.Rcode = dns.RcodeBadVers // RFC 6891 section 6.1.3
			return reply
		}
	}
	switch {
	case query.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case len(query.Question) != 1:
		reply.Rcode = dns.RcodeFormatError
	default:
		h.answer(reply, query.Question[0])
	}
	return reply
}

// answer completes the reply to one question.
func (h *handler) answer(reply *dns.Msg, q dns.Question) {
	labels := dns.SplitDomainName(strings.ToLower(q.Name))
	transfer := q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR
	if q.Qclass != dns.ClassINET || transfer || !dns.IsSubDomain(h.domain, q.Name) {
		reply.Rcode = dns.RcodeRefused
		return
	}
	reply.Authoritative = true
	snapshot := h.Instances()
	n, exists := h.find(labels[:len(labels)-h.labels], snapshot)
	switch {
	case !exists:
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeANY:
		// One record in place of all of them (RFC 8482 section 4.2).
		reply.Answer = []dns.RR{&dns.HINFO{Hdr: h.header(q.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	case n.apex && q.Qtype == dns.TypeSOA:
		reply.Answer = []dns.RR{h.soa(q.Name, snapshot)}
	default:
		h.records(reply, q, n)
	}
	if len(reply.Answer) == 0 {
		// How long the absence may be remembered (RFC 2308 section 3).
		reply.Ns = []dns.RR{h.soa(h.domain, snapshot)}
	}
}
