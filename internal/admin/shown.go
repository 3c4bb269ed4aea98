package admin

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// shown remembers how proxies were shown last, so that a status costs what has changed since. One answer replaces what
// an earlier one left: what is not shown any more is forgotten.
type shown struct {
	mu      sync.Mutex
	proxies map[proxyKey]*shownProxy
}

// proxyKey identifies a proxy from one answer to the next.
type proxyKey struct {
	stream uint64 // the first stream of a connected client
	node   string // the ID of a node that has left
}

// shownProxy is a proxy as a status shows it. Immutable.
type shownProxy struct {
	api.Proxy
	version       uint64         // of the status of its only stream, or when it left; 0 for one that cannot be shown again
	revision, why string         // as describe returned them,
	state         api.ProxyState // and this
	once          sync.Once
	encoded       []byte // see encode
	err           error
}

// is reports whether a proxy would be shown in the same way again.
func (s *shownProxy) is(described *api.Proxy, version uint64) bool {
	return s != nil && s.version == version && version != 0 &&
		s.revision == described.Revision && s.state == described.State && s.why == described.Why
}

func (s *shown) last() map[proxyKey]*shownProxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proxies
}

func (s *shown) keep(proxies map[proxyKey]*shownProxy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proxies = proxies
}

// encode returns the proxy as httpapi.Write writes it, made once.
func (s *shownProxy) encode() ([]byte, error) {
	s.once.Do(func() { s.encoded, s.err = encode(&s.Proxy) })
	return s.encoded, s.err
}

// encode encodes a value as httpapi.Write does, without the line's end.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// encodeStatus encodes a status with these proxies.
func encodeStatus(s api.Status, proxies []*shownProxy) ([]byte, error) {
	s.Proxies = []api.Proxy{} // the last field
	b, err := encode(s)
	if err != nil {
		return nil, err
	}
	const end = "]}"
	b = bytes.TrimSuffix(b, []byte(end))
	for i, p := range proxies {
		encoded, err := p.encode()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			b = slices.Grow(b, len(proxies)*(len(encoded)+64))
		} else {
			b = append(b, ',')
		}
		b = append(b, encoded...)
	}
	return append(b, end+"\n"...), nil
}
