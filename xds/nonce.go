package xds

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
)

// newNonce is unique on the stream (C021), and cannot be guessed even by who knows all nonces before
// it: who repeats it has read its response.
func (s *session) newNonce() string {
	var secret [9]byte
	rand.Read(secret[:]) // never fails
	s.nonces++
	b := append(strconv.AppendUint(make([]byte, 0, 24), s.nonces, 36), '.')
	return string(base64.RawURLEncoding.AppendEncode(b, secret[:]))
}
