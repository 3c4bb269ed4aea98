package xdsmetrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// openStreams is what is counted of each open stream, by its ID. Counters are looked up once for a stream, not for
// each message.
type openStreams struct{ byID sync.Map } // ID -> *openStream

// openStream is the counters of one stream and its responses that were not answered yet: at most one of each type.
type openStream struct {
	sentBytes, receivedBytes prometheus.Counter

	mu    sync.Mutex
	types []typeOfStream
}

// typeOfStream is the latest response of one type on a stream.
type typeOfStream struct {
	*typeCounters
	nonce string // "" once it was answered
	at    time.Time
}

// typeCounters are the counters of one type on all streams of a method.
type typeCounters struct {
	typeURL                               string
	responses, sent, removed, acks, nacks prometheus.Counter
	acknowledged                          prometheus.Observer
}

func (o *openStreams) open(id uint64, s *openStream) { o.byID.Store(id, s) }

func (o *openStreams) close(id uint64) { o.byID.Delete(id) }

// of returns an open stream, nil when it has ended.
func (o *openStreams) of(id uint64) *openStream {
	s, _ := o.byID.Load(id)
	known, _ := s.(*openStream)
	return known
}

// find returns the latest response of a type, nil when there was none. The caller holds mu.
func (s *openStream) find(typeURL string) *typeOfStream {
	for i := range s.types {
		if s.types[i].typeURL == typeURL {
			return &s.types[i]
		}
	}
	return nil
}

// responded takes note of a response. newType makes the counters of a type that had none on this stream.
func (s *openStream) responded(typeURL, nonce string, at time.Time, newType func() *typeCounters) *typeCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.find(typeURL)
	if t == nil {
		s.types = append(s.types, typeOfStream{typeCounters: newType()})
		t = &s.types[len(s.types)-1]
	}
	t.nonce, t.at = nonce, at
	return t.typeCounters
}

// answered returns the counters of the type whose latest response a nonce answers, and when that was sent, and
// forgets it; nil when the nonce is of another response, or was answered before.
func (s *openStream) answered(typeURL, nonce string) (t *typeCounters, sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.find(typeURL)
	if of == nil || of.nonce != nonce {
		return nil, time.Time{}
	}
	of.nonce = ""
	return of.typeCounters, of.at
}
