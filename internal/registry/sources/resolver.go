package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// queryTimeout limits one query to one server.
const queryTimeout = 2 * time.Second

// Resolver asks recursive resolvers.
type Resolver struct{ servers []string } // host:port, in the order in which they are asked; none: those of the host

// NewResolver returns a resolver that asks the servers, host:port, or those of /etc/resolv.conf if there are none.
func NewResolver(servers ...string) *Resolver { return &Resolver{servers} }

// now returns the servers to ask. The host's may change while the server runs.
func (r *Resolver) now() ([]string, error) {
	if len(r.servers) > 0 {
		return r.servers, nil
	}
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("resolvers: %w", err)
	}
	var servers []string
	for _, server := range config.Servers {
		servers = append(servers, net.JoinHostPort(server, config.Port))
	}
	if len(servers) == 0 {
		return nil, errors.New("resolvers: /etc/resolv.conf names none")
	}
	return servers, nil
}

// resolve returns what q stands for, sorted, and for how long that is valid. Without targets the name does not exist or
// has no such records. After an error nothing is known.
func (r *Resolver) resolve(ctx context.Context, q question) ([]target, time.Duration, error) {
	var found []target
	ttl := maxTTL
	note := func(more []target, valid time.Duration) {
		found, ttl = append(found, more...), min(ttl, valid)
	}
	switch q.Type {
	case "SRV":
		more, valid, err := r.locations(ctx, q.Name)
		if err != nil {
			return nil, 0, err
		}
		note(more, valid)
	default:
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if q.Type != "" && q.Type != dns.TypeToString[kind] {
				continue
			}
			addresses, valid, err := r.addresses(ctx, q.Name, kind)
			if err != nil {
				return nil, 0, err
			}
			var more []target
			for _, ip := range addresses {
				more = append(more, target{netip.AddrPortFrom(ip, q.Port), 0})
			}
			note(more, valid)
		}
	}
	slices.SortFunc(found, func(a, b target) int { return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Weight, b.Weight)) })
	found = slices.CompactFunc(found, func(a, b target) bool { return a.Address == b.Address })
	return found[:min(len(found), maxTargets)], ttl, nil
}

// addresses returns the addresses of a name. Aliases are followed by the resolvers.
func (r *Resolver) addresses(ctx context.Context, name string, kind uint16) ([]netip.Addr, time.Duration, error) {
	reply, err := r.exchange(ctx, name, kind)
	if err != nil {
		return nil, 0, err
	}
	return addressesIn(reply.Answer, "", kind), ttlOf(reply), nil
}

// addressesIn returns the addresses in records of one kind, of one name or of all ("").
func addressesIn(records []dns.RR, name string, kind uint16) (found []netip.Addr) {
	for _, record := range records {
		if record.Header().Rrtype != kind || name != "" && !strings.EqualFold(record.Header().Name, name) {
			continue
		}
		var ip net.IP
		switch record := record.(type) {
		case *dns.A:
			ip = record.A
		case *dns.AAAA:
			ip = record.AAAA
		}
		if address, ok := netip.AddrFromSlice(ip); ok {
			found = append(found, address.Unmap())
		}
	}
	return found
}

// locations returns the targets of a name's SRV records that have the lowest priority number, which clients use first
// (RFC 2782). Their addresses are taken from the answer, if it has them.
func (r *Resolver) locations(ctx context.Context, name string) ([]target, time.Duration, error) {
	reply, err := r.exchange(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, 0, err
	}
	var records []*dns.SRV
	for _, record := range reply.Answer {
		if srv, ok := record.(*dns.SRV); ok && srv.Target != "." && srv.Port != 0 {
			records = append(records, srv)
		}
	}
	slices.SortStableFunc(records, func(a, b *dns.SRV) int { return cmp.Compare(a.Priority, b.Priority) })
	var found []target
	ttl := ttlOf(reply)
	for _, srv := range records[:min(len(records), maxTargets)] {
		if srv.Priority != records[0].Priority {
			break
		}
		addresses := slices.Concat(addressesIn(reply.Extra, srv.Target, dns.TypeA), addressesIn(reply.Extra, srv.Target, dns.TypeAAAA))
		if len(addresses) == 0 {
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				more, valid, err := r.addresses(ctx, srv.Target, kind)
				if err != nil {
					return nil, 0, fmt.Errorf("%s: %w", srv.Target, err)
				}
				addresses, ttl = append(addresses, more...), min(ttl, valid)
			}
		}
		for _, ip := range addresses {
			found = append(found, target{netip.AddrPortFrom(ip, srv.Port), uint32(min(max(srv.Weight, 1), 1000))})
		}
	}
	return found, ttl, nil
}

// ttlOf returns for how long a reply is valid: the shortest TTL of its answer, or for how long the absence of one may
// be remembered (RFC 2308 section 5).
func ttlOf(reply *dns.Msg) time.Duration {
	ttl := uint32(maxTTL / time.Second)
	for _, record := range reply.Answer {
		ttl = min(ttl, record.Header().Ttl)
	}
	if len(reply.Answer) == 0 {
		for _, record := range reply.Ns {
			if soa, ok := record.(*dns.SOA); ok {
				ttl = min(ttl, soa.Minttl, soa.Hdr.Ttl)
			}
		}
	}
	return time.Duration(ttl) * time.Second
}

// exchange asks the servers one after the other, until one knows whether the name exists.
func (r *Resolver) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, last := r.now()
	for _, server := range servers {
		reply, err := exchangeWith(ctx, server, name, kind)
		if err == nil {
			return reply, nil
		}
		last = err
	}
	return nil, last
}

func exchangeWith(ctx context.Context, server, name string, kind uint16) (*dns.Msg, error) {
	for _, network := range []string{"udp", "tcp"} {
		query := new(dns.Msg).SetQuestion(name, kind).SetEdns0(1232, false)
		client := dns.Client{Net: network, Timeout: queryTimeout}
		reply, _, err := client.ExchangeContext(ctx, query, server)
		switch {
		case err != nil:
			return nil, fmt.Errorf("server %s: %w", server, err)
		case reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
			return nil, fmt.Errorf("server %s answers %s", server, dns.RcodeToString[reply.Rcode])
		case !reply.Truncated:
			return reply, nil
		}
	}
	return nil, fmt.Errorf("server %s: truncated over TCP", server)
}
