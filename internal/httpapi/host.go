package httpapi

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// TrustedHost reports whether no attacker's DNS can point a request's host at this server: it is an IP address,
// localhost or one of hosts.
func TrustedHost(host string, hosts []string) bool {
	name := Hostname(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return strings.EqualFold(name, "localhost") || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// Hostname returns a host without its port.
func Hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
