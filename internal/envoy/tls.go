package envoy

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// secrets returns the certificates of an edge's listeners, and the authorities that upstreams trust. They contain the
// names of files on the proxy's host, so private keys are never sent. The agent reads the files; without one, Envoy does.
func (e encoder) secrets() []part {
	all := e.authorities()
	if e.proxy.Edge == nil {
		return all
	}
	for _, l := range e.proxy.Edge.Listeners {
		if l.TLS != nil {
			all = append(all, part{
				Ref: xds.Ref{Type: xds.SecretType, Name: CertificateName(l.Name)}, origin: l.Origin, from: []any{l},
				build: func() (proto.Message, []xds.Ref) { return certificateSecret(l), nil },
			})
		}
	}
	return all
}

// authorities returns those of upstreams that have a file of their own.
func (e encoder) authorities() (all []part) {
	for _, u := range e.proxy.Upstreams {
		if u.TLS != nil && u.TLS.CA != "" {
			all = append(all, part{
				Ref: xds.Ref{Type: xds.SecretType, Name: AuthoritiesName(u.Target)}, origin: u.Origin, decidedAt: u.DecidedAt, kind: "authorities", from: []any{u.TLS.CA},
				build: func() (proto.Message, []xds.Ref) { return authoritiesSecret(u), nil },
			})
		}
	}
	return all
}

func authoritiesSecret(u ir.Upstream) *tlsv3.Secret {
	return &tlsv3.Secret{
		Name: AuthoritiesName(u.Target),
		Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: file(u.TLS.CA)}},
	}
}

func certificateSecret(l ir.EdgeListener) *tlsv3.Secret {
	return &tlsv3.Secret{
		Name: CertificateName(l.Name),
		Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: certificate(*l.TLS)},
	}
}

func certificate(at ir.CertificateAt) *tlsv3.TlsCertificate {
	return &tlsv3.TlsCertificate{CertificateChain: file(at.Chain), PrivateKey: file(at.Key)}
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}

// downstreamTLS returns the TLS context of an edge's listener, nil for plain text.
func (e encoder) downstreamTLS(l ir.EdgeListener) *corev3.TransportSocket {
	if l.TLS == nil {
		return nil
	}
	common := &tlsv3.CommonTlsContext{AlpnProtocols: []string{"h2", "http/1.1"}}
	if e.inline {
		common.TlsCertificates = []*tlsv3.TlsCertificate{certificate(*l.TLS)}
	} else {
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{{Name: CertificateName(l.Name), SdsConfig: ADS()}}
	}
	return tlsSocket(&tlsv3.DownstreamTlsContext{CommonTlsContext: common})
}

// upstreamTLS returns the TLS context for connections to u, nil for plain text.
func (e encoder) upstreamTLS(u ir.Upstream) *corev3.TransportSocket {
	if u.TLS == nil {
		return nil
	}
	common := &tlsv3.CommonTlsContext{AlpnProtocols: alpn(u.Protocol)}
	e.setTrust(common, u)
	context := &tlsv3.UpstreamTlsContext{CommonTlsContext: common}
	if _, err := netip.ParseAddr(u.TLS.ServerName); err != nil {
		context.Sni = u.TLS.ServerName // RFC 6066 section 3: an address is not sent
	}
	return tlsSocket(context)
}

// setTrust sets the certificate authorities, from a file or from the secret that the bootstrap defines, and the name
// that a certificate must contain.
func (e encoder) setTrust(common *tlsv3.CommonTlsContext, u ir.Upstream) {
	t := *u.TLS
	name := &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
		SanType: sanType(t.ServerName),
		Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: t.ServerName}},
	}}}
	if t.CA != "" && e.inline {
		name.TrustedCa = file(t.CA)
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: name}
		return
	}
	common.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
		CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext:         name,
			ValidationContextSdsSecretConfig: authoritiesConfig(u),
		},
	}
}

// authoritiesConfig says where Envoy finds the authorities of an upstream.
func authoritiesConfig(u ir.Upstream) *tlsv3.SdsSecretConfig {
	if u.TLS.CA == "" {
		return &tlsv3.SdsSecretConfig{Name: SystemCAName}
	}
	return &tlsv3.SdsSecretConfig{Name: AuthoritiesName(u.Target), SdsConfig: ADS()}
}

func sanType(name string) tlsv3.SubjectAltNameMatcher_SanType {
	if _, err := netip.ParseAddr(name); err == nil {
		return tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	return tlsv3.SubjectAltNameMatcher_DNS
}

func alpn(p mesh.Protocol) []string {
	switch {
	case p.IsHTTP2():
		return []string{"h2"}
	case p.IsHTTP():
		return []string{"http/1.1"}
	default:
		return nil
	}
}

func tlsSocket(context proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: typed(context)},
	}
}
