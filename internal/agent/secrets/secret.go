package secrets

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/relay"
	"github.com/doyen-mesh/doyen/xds"
)

// reread is how often files are read although they look the same. Those that could not be used are read at every look.
const reread = 10 * time.Second

// secret is one secret that names files, and what is in them.
type secret struct {
	name  string
	named *xds.Resource
	files []string
	build func(contents [][]byte) (*pair, error) // from the content of files

	seen    []version // at the last look
	last    []version // of what was read last; nil when that is to be read again
	readAt  time.Time
	latest  *pair // what was read last; nil when that cannot be used, for the reason err
	err     error
	used    *pair // the last good one
	content relay.Content
}

// pair is good content of files: a certificate with its key, or the certificates of authorities, for which there are no
// times.
type pair struct {
	body                []byte // of the secret
	notBefore, notAfter time.Time
	resource            *xds.Resource
}

// NamesFiles says whether a secret of a server names files that this package reads. Others are passed on to clients,
// which read files that they name themselves.
func NamesFiles(r *xds.Resource) bool {
	files, _ := decode(r)
	return files != nil
}

// decode returns the files that a secret names, and what makes the secret that clients get from their content.
func decode(r *xds.Resource) (files []string, build func([][]byte) (*pair, error)) {
	var m tlsv3.Secret
	if proto.Unmarshal(r.Body(), &m) != nil {
		return nil, nil
	}
	certificate, trust := m.GetTlsCertificate(), m.GetValidationContext()
	switch {
	case certificate.GetPassword() != nil: // the key is encrypted
		return nil, nil
	case named(certificate.GetCertificateChain()) && named(certificate.GetPrivateKey()):
		chain, key := certificate.GetCertificateChain(), certificate.GetPrivateKey()
		files = []string{chain.GetFilename(), key.GetFilename()}
		return files, func(contents [][]byte) (*pair, error) {
			leaf, err := checkPair(files, contents)
			if err != nil {
				return nil, err
			}
			m := proto.CloneOf(&m)
			certificate := m.GetTlsCertificate()
			certificate.CertificateChain, certificate.PrivateKey, certificate.WatchedDirectory = inline(contents[0]), inline(contents[1]), nil
			return newPair(m, leaf.NotBefore, leaf.NotAfter)
		}
	case named(trust.GetTrustedCa()):
		files = []string{trust.GetTrustedCa().GetFilename()}
		return files, func(contents [][]byte) (*pair, error) {
			if _, err := certificates(files[0], contents[0]); err != nil {
				return nil, err
			}
			m := proto.CloneOf(&m)
			m.GetValidationContext().TrustedCa, m.GetValidationContext().WatchedDirectory = inline(contents[0]), nil
			return newPair(m, time.Time{}, time.Time{})
		}
	}
	return nil, nil
}

func named(d *corev3.DataSource) bool { return d.GetFilename() != "" }

func inline(content []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: content}}
}

func newPair(m *tlsv3.Secret, notBefore, notAfter time.Time) (*pair, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, errors.New("the secret cannot be encoded") // the error could quote what is in it
	}
	return &pair{body: body, notBefore: notBefore, notAfter: notAfter}, nil
}

func newSecret(r *xds.Resource) *secret {
	files, build := decode(r)
	return &secret{name: r.Name(), named: r, files: files, build: build}
}

// look looks at the files, and reads those that have changed and are not being changed. It reports whether anything is
// known of them.
func (s *secret) look(now time.Time) bool {
	seen := versionsOf(s.files)
	settled := slices.EqualFunc(seen, s.seen, version.equal) || s.last == nil && areOld(seen, now)
	s.seen = seen
	if settled && (s.err != nil || now.Sub(s.readAt) >= reread || !slices.EqualFunc(seen, s.last, version.equal)) {
		s.load(seen, now)
	}
	if s.last == nil {
		return false
	}
	s.judge(now)
	return true
}

// load reads the files, unless they change meanwhile.
func (s *secret) load(seen []version, now time.Time) {
	contents := make([][]byte, len(s.files))
	var err error
	for i, file := range s.files {
		content, fileErr := readFile(file)
		contents[i], err = content, both(err, fileErr)
	}
	if s.seen = versionsOf(s.files); !slices.EqualFunc(seen, s.seen, version.equal) {
		return
	}
	s.last, s.readAt, s.latest, s.err = seen, now, nil, err
	if err != nil {
		return
	}
	s.latest, s.err = s.build(contents)
	if s.latest != nil && s.used != nil && string(s.latest.body) == string(s.used.body) {
		s.latest = s.used
	}
}

// judge decides what is used: what was read last, if it is good. One that has expired, or is not valid yet, never
// replaces another; it is used when there is none, because that is better than nothing.
func (s *secret) judge(now time.Time) {
	problem := s.err
	if s.latest != nil {
		problem = s.latest.outdated(s.files[0], now)
	}
	if s.latest != nil && (problem == nil || s.used == nil) && s.used != s.latest {
		s.used = s.latest
		s.used.resource = xds.NewResource(xds.SecretType, s.name, s.used.body, xds.ResourceOptions{References: s.named.References(), TTL: s.named.TTL()})
	}
	if s.used != nil {
		s.content.Resource = s.used.resource
	}
	if text(problem) != text(s.content.Problem) {
		s.content.Problem = problem
	}
}

// outdated is why a certificate is not valid at some time, nil when it is.
func (p *pair) outdated(file string, now time.Time) error {
	switch {
	case p.notAfter.IsZero():
		return nil
	case now.After(p.notAfter):
		return fmt.Errorf("%s: it expired at %s", file, p.notAfter.Format(time.RFC3339))
	case now.Before(p.notBefore):
		return fmt.Errorf("%s: it is not valid before %s", file, p.notBefore.Format(time.RFC3339))
	}
	return nil
}

// Status is one secret that names files.
type Status struct {
	Name  string   `json:"name"`  // in Envoy
	Files []string `json:"files"` // the certificate, then its key; or the certificates of authorities
	// Used says whether clients have it, Expires when what they have expires; zero for authorities.
	Used    bool      `json:"used"`
	Expires time.Time `json:"expires,omitzero"`
	// Problem is why what is in the files now is not used, or that it is used although it has expired.
	Problem string `json:"problem,omitempty"`
}

func (s *secret) status() Status {
	status := Status{Name: s.name, Files: s.files, Used: s.used != nil, Problem: text(s.content.Problem)}
	if s.used != nil {
		status.Expires = s.used.notAfter
	}
	return status
}

func compareStatus(a, b Status) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Files, b.Files))
}
