package secrets

import (
	"crypto/tls"
	"testing"
)

// FuzzPair looks for content of files that passes the check and that Go's own TLS does not accept.
func FuzzPair(f *testing.F) {
	one, other := newCertificate(f), newCertificate(f)
	f.Add(one.chain, one.key)
	f.Add(append(one.chain, other.chain...), one.key)
	f.Add(one.chain, other.key)
	f.Add(one.chain[:100], one.key)
	f.Add([]byte("text\n"), []byte("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		if _, err := checkPair([]string{"chain", "key"}, [][]byte{chain, key}); err != nil {
			return
		}
		if _, err := tls.X509KeyPair(chain, key); err != nil {
			t.Error(err)
		}
	})
}
