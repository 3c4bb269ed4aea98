package admin

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/xds"
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
	node   string // the ID of a node that is not connected
}

// shownProxy is a proxy as a status shows it. Immutable.
type shownProxy struct {
	api.Proxy
	version       uint64         // of the status of its stream; 0 if it has several
	revision, why string         // as describe returned them
	state         api.ProxyState // likewise
	once          sync.Once
	encoded       []byte // see encode
	err           error
}

// is reports whether a connected proxy would be shown in the same way again.
func (s *shownProxy) is(described *api.Proxy, streams []xds.StreamStatus) bool {
	return s != nil && len(streams) == 1 && s.version == streams[0].Version && s.version != 0 &&
		s.revision == described.Revision && s.state == described.State && s.why == described.Why
}

// hasLeft reports whether a proxy was shown as disconnected at that time. It is not described again: what its view gets
// meanwhile does not reach it.
func (s *shownProxy) hasLeft(at time.Time, state api.ProxyState) bool {
	return s != nil && !s.Connected && s.Since.Equal(at) && s.State == state
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

// encodeStatus encodes a status with these proxies, in pieces that are to be written one after the other.
func encodeStatus(s api.Status, proxies []*shownProxy) ([][]byte, error) {
	s.Proxies = []api.Proxy{} // the last field
	b, err := encode(s)
	if err != nil {
		return nil, err
	}
	const end = "]}"
	comma := []byte{','}
	pieces := append(make([][]byte, 0, 2*len(proxies)+2), bytes.TrimSuffix(b, []byte(end)))
	for i, p := range proxies {
		encoded, err := p.encode()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			pieces = append(pieces, comma)
		}
		pieces = append(pieces, encoded)
	}
	return append(pieces, []byte(end+"\n")), nil
}
