package api

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	// eventStream is the media type of server-sent events (HTML standard, section 9.2).
	eventStream = "text/event-stream"
	// maxStreams limits the streams that are open at the same time.
	maxStreams = 4096
	// heartbeatInterval is how often an idle stream gets a comment, so that both sides notice a dead connection.
	heartbeatInterval = 15 * time.Second
	// writePatience is how long a reader may take nothing until its stream ends.
	writePatience = 30 * time.Second
	// batchInterval is the least time between two batches of events: changes in between are merged.
	batchInterval = 50 * time.Millisecond
)

// stream writes the changes of a listing as server-sent events. It keeps no queue: while a reader is slow, changes
// are merged, and the next batch leads from what the reader has to the latest state.
type stream struct {
	*handler
	listing
	to      http.ResponseWriter
	control *http.ResponseController
	err     error // of the first write that failed
}

// wantsStream reports whether a call asks for a stream.
func wantsStream(r *http.Request) bool {
	accepted, _, _ := strings.Cut(r.Header.Get("Accept"), ";")
	return r.Method == http.MethodGet && strings.TrimSpace(accepted) == eventStream
}

// stream answers with a stream, until the client or the server ends it. It begins with what has changed since the
// version in the header Last-Event-ID, or in ?after=, or with everything.
func (h *handler) stream(w http.ResponseWriter, r *http.Request, what listing) {
	values, problems := query(r, "after")
	if len(problems) > 0 {
		httpapi.Refuse(w, problems)
		return
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		httpapi.Write(w, http.StatusServiceUnavailable, httpapi.Error{Error: fmt.Sprintf("%d streams are open, and no more are allowed", maxStreams), Hint: "try another server"})
		return
	}
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = values.Get("after")
	}
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("Cache-Control", "no-store")
	s := &stream{handler: h, listing: what, to: w, control: http.NewResponseController(w)}
	s.run(r.Context().Done(), after)
}

// run writes batches of events until ended closes, the registry ends, or the client does not read.
func (s *stream) run(ended <-chan struct{}, after string) {
	snapshot := s.Registry.Snapshot()
	s.begin(snapshot, after)
	heartbeat := time.NewTicker(heartbeatInterval)
	defer heartbeat.Stop()
	pause := time.NewTimer(batchInterval)
	defer pause.Stop()
	// The connection may be used for other calls afterwards.
	defer func() { _ = s.control.SetWriteDeadline(time.Time{}) }()
	var changed <-chan struct{} // nil during the pause after a batch
	for s.flush(); s.err == nil; s.flush() {
		select {
		case <-pause.C:
			changed = snapshot.Changed()
		case <-changed:
			before := snapshot
			snapshot, changed = s.Registry.Snapshot(), nil
			s.changes(before, snapshot)
			pause.Reset(batchInterval)
		case <-heartbeat.C:
			s.write(":\n\n")
		case <-ended:
			return
		case <-s.Registry.Done():
			return
		}
	}
}

// begin writes what a reader lacks that has the version after.
func (s *stream) begin(snapshot *registry.Snapshot, after string) {
	s.write("retry: 2000\n\n")
	if after == s.versionOf(s.listing, snapshot) {
		return
	}
	if s.all {
		s.event("services", Services{append([]mesh.ServiceName{}, snapshot.Services()...)})
	}
	known := s.sequenceOf(after)
	for _, service := range s.services(snapshot) {
		if version := snapshot.Version(service); version == 0 || version > known || !s.all {
			s.service(service, snapshot)
		}
	}
	s.synced(snapshot)
}

// service writes all instances of one service.
func (s *stream) service(service mesh.ServiceName, snapshot *registry.Snapshot) {
	instances := []Instance{}
	for _, i := range snapshot.Instances(service) {
		if shown, ok := s.withLease(i); ok {
			instances = append(instances, shown)
		}
	}
	s.event("service", ServiceInstances{service, instances})
}

// sequenceOf returns the sequence in a version of this process; 0 for any other text.
func (s *stream) sequenceOf(version string) uint64 {
	text, found := strings.CutPrefix(version, s.epoch+".")
	sequence, err := strconv.ParseUint(text, 36, 64)
	if !found || err != nil {
		return 0
	}
	return sequence
}

// changes writes the difference of two snapshots, if there is one.
func (s *stream) changes(before, after *registry.Snapshot) {
	any := false
	for service := range s.since(before, after) {
		for i, gone := range difference(before.Instances(service), after.Instances(service)) {
			any = true
			if gone {
				s.event("gone", Gone{i.Service, i.Network, i.Address})
			} else if shown, ok := s.withLease(i); ok {
				s.event("instance", shown)
			}
		}
	}
	if any {
		s.synced(after)
	}
}

// difference yields the instances that differ between two sorted lists, and whether each is gone. Its cost beside
// what it yields is comparing pointers.
func difference(before, after []*registry.Instance) iter.Seq2[*registry.Instance, bool] {
	return func(yield func(*registry.Instance, bool) bool) {
		for len(before) > 0 || len(after) > 0 {
			order := 0
			switch {
			case len(before) == 0:
				order = 1
			case len(after) == 0:
				order = -1
			case before[0] != after[0]:
				order = before[0].Socket().Compare(after[0].Socket())
			}
			var goOn bool
			switch {
			case order < 0:
				goOn = yield(before[0], true)
				before = before[1:]
			case order > 0:
				goOn = yield(after[0], false)
				after = after[1:]
			default:
				goOn = before[0] == after[0] || yield(after[0], false)
				before, after = before[1:], after[1:]
			}
			if !goOn {
				return
			}
		}
	}
}

// synced ends a batch: the reader has the version.
func (s *stream) synced(snapshot *registry.Snapshot) {
	version := s.versionOf(s.listing, snapshot)
	s.write("id: " + version + "\n")
	s.event("synced", Synced{version})
}

// event writes one event, unless a write has failed before.
func (s *stream) event(kind string, data any) {
	if s.err != nil {
		return
	}
	text, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, text))
}

// write writes text within writePatience.
func (s *stream) write(text string) {
	if s.err == nil {
		_ = s.control.SetWriteDeadline(time.Now().Add(writePatience)) // not every writer in tests has deadlines
		_, s.err = s.to.Write([]byte(text))
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
