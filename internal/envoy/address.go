package envoy

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// tcpAddress is an address to connect to.
func tcpAddress(a netip.AddrPort) *corev3.Address {
	return socketAddress(a.Addr().String(), a.Port(), false)
}

// bindAddress is an address to listen on. "::" takes IPv4 connections too.
func bindAddress(a netip.AddrPort) *corev3.Address {
	return socketAddress(a.Addr().String(), a.Port(), a.Addr() == netip.IPv6Unspecified())
}

// hostAddress is a DNS name and port to connect to.
func hostAddress(host string, port uint16) *corev3.Address { return socketAddress(host, port, false) }

func socketAddress(host string, port uint16, ipv4Too bool) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
		Ipv4Compat:    ipv4Too,
	}}}
}
