package secrets

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// The errors of this file say what is wrong with a file, and never what is in it.

// blocks returns the parts of a PEM file. A file that ends within a part is being written, or was cut off.
func blocks(name string, content []byte) ([]*pem.Block, error) {
	var all []*pem.Block
	begins := bytes.Count(content, []byte("-----BEGIN "))
	rest := content
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		all, rest = append(all, block), after
	}
	if len(all) != begins || len(all) > 0 && bytes.Contains(rest, []byte("-----")) {
		return nil, fmt.Errorf("%s: it is cut off or damaged: a part in PEM form has no end", name)
	}
	return all, nil
}

// both is two errors on one line.
func both(a, b error) error {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return fmt.Errorf("%w; %w", a, b)
}

// certificates returns those of a file, of which there must be one.
func certificates(name string, content []byte) ([]*x509.Certificate, error) {
	all, err := blocks(name, content)
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for _, block := range all {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d is damaged", name, len(chain)+1)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s: it has no certificate in PEM form", name)
	}
	return chain, nil
}

// checkPair wants a certificate chain and the key of its first certificate, which it returns.
func checkPair(names []string, contents [][]byte) (*x509.Certificate, error) {
	chain, chainErr := certificates(names[0], contents[0])
	key, keyErr := privateKey(names[1], contents[1])
	if err := both(chainErr, keyErr); err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, fmt.Errorf("the key in %s does not fit the certificate in %s", names[1], names[0])
	}
	return chain[0], nil
}

func privateKey(name string, content []byte) (crypto.Signer, error) {
	all, err := blocks(name, content)
	if err != nil {
		return nil, err
	}
	for _, block := range all {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%s: the key is encrypted", name)
		}
		if key, ok := parseKey(block.Bytes).(crypto.Signer); ok {
			return key, nil
		}
		return nil, fmt.Errorf("%s: the key is damaged, or of an unknown kind", name)
	}
	return nil, fmt.Errorf("%s: it has no private key in PEM form", name)
}

// parseKey reads a key in any of the usual forms; nil when it is in none.
func parseKey(der []byte) any {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}
