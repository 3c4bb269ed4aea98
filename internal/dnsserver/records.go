package dnsserver

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// maxRecords is how many instances an answer names at most. Of a larger service each answer names other ones.
const maxRecords = 64

// records adds the records of n that q asks for to reply.
func (h *handler) records(reply *dns.Msg, q dns.Question, n name) {
	switch {
	case n.addresses && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA):
		h.addresses(reply, q, n)
	case n.locations && q.Qtype == dns.TypeSRV:
		h.locations(reply, q, n)
	}
}

// addresses answers with A or AAAA records. An address has one record, however many instances are there.
func (h *handler) addresses(reply *dns.Msg, q dns.Question, n name) {
	chosen := n.instances
	if !n.single {
		chosen = n.chooseOf(q.Qtype)
	}
	seen := make(map[netip.Addr]bool, len(chosen))
	for _, i := range chosen {
		ip := i.Address.Addr()
		if record := h.address(q.Name, ip); record.Header().Rrtype == q.Qtype && !seen[ip] {
			reply.Answer = append(reply.Answer, record)
		}
		seen[ip] = true
	}
}

// chooseOf returns instances for A or AAAA records. Resolvers ask for both, and most services have instances with one
// kind of address: the other question costs nothing. Unhealthy instances are only named while no instance of the service
// is healthy, whatever its address.
func (n name) chooseOf(qtype uint16) []*registry.Instance {
	same, other := byFamily(n.instances)
	if qtype == dns.TypeAAAA {
		same, other = other, same
	}
	chosen := choose(same, maxRecords, func(i *registry.Instance) bool { return n.portOf(i) != 0 })
	if len(chosen) > 0 && !isHealthy(chosen[0]) && slices.ContainsFunc(other, isHealthy) {
		return nil
	}
	return chosen
}

// byFamily splits instances of one network, which are sorted by address, into those with IPv4 and with IPv6 addresses.
func byFamily(instances []*registry.Instance) (v4, v6 []*registry.Instance) {
	end, _ := slices.BinarySearchFunc(instances, true, func(i *registry.Instance, _ bool) int {
		if i.Address.Addr().Is4() {
			return -1
		}
		return 1
	})
	return instances[:end], instances[end:]
}

func isHealthy(i *registry.Instance) bool {
	state, _ := i.Condition()
	return state == registry.Healthy
}

// locations answers with SRV records (RFC 2782), and the addresses of their targets as additional records.
func (h *handler) locations(reply *dns.Msg, q dns.Question, n name) {
	seen := map[netip.Addr]bool{}
	var additional []dns.RR
	for _, i := range choose(n.instances, maxRecords, func(i *registry.Instance) bool { return n.portOf(i) != 0 }) {
		ip := i.Address.Addr()
		target := label(ip) + "." + string(n.service) + "." + h.domain
		reply.Answer = append(reply.Answer, &dns.SRV{
			Hdr: h.header(q.Name, dns.TypeSRV), Weight: uint16(i.Weight), Port: n.portOf(i), Target: target,
		})
		if !seen[ip] {
			additional = append(additional, h.address(target, ip))
		}
		seen[ip] = true
	}
	reply.Extra = append(additional, reply.Extra...)
}

// address returns the A or AAAA record of an address.
func (h *handler) address(owner string, ip netip.Addr) dns.RR {
	if ip.Is4() {
		return &dns.A{Hdr: h.header(owner, dns.TypeA), A: ip.AsSlice()}
	}
	return &dns.AAAA{Hdr: h.header(owner, dns.TypeAAAA), AAAA: ip.AsSlice()}
}

// soa returns the domain's SOA record. Its last field is how long resolvers may remember that something does not
// exist.
func (h *handler) soa(owner string, snapshot *registry.Snapshot) dns.RR {
	return &dns.SOA{
		Hdr: h.header(owner, dns.TypeSOA), Ns: h.domain, Mbox: "hostmaster." + h.domain,
		Serial: uint32(snapshot.Sequence()), Refresh: 3600, Retry: 600, Expire: 86400, Minttl: h.seconds,
	}
}

func (h *handler) header(owner string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: kind, Class: dns.ClassINET, Ttl: h.seconds}
}
