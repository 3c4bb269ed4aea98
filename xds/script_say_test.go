package xds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func (s *theatre) say(format string, args ...any) {
	s.out = append(s.out, "-> "+fmt.Sprintf(format, args...))
}

func (s *theatre) status(a *actor, typeURL string) {
	a.session.group.load()
	w := a.session.watch(typeURL)
	status := w.status()
	s.say("%s in sync %v", a.name, status.InSync)
	if r := status.Rejected; r != nil {
		s.say("%s rejected %s: %s, culprit %v", a.name, strings.Join(r.Names, " "), r.Message, r.Culprit)
	}
	for _, h := range status.Held {
		var waits []string
		for _, ref := range h.WaitsFor {
			waits = append(waits, scriptTypeName(ref.Type)+"/"+ref.Name)
		}
		s.say("%s holds %s (removal %v) for [%s]: %s, since %s", a.name, h.Change.Name, h.Removal, strings.Join(waits, " "), h.Reason, h.Since.Sub(time.Unix(0, 0)))
	}
}

// pump lets all streams say what they have to.
func (s *theatre) pump() {
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(s.streams)) {
			a := s.streams[name]
			if a.stopped {
				continue
			}
			a.session.group.load()
			for r := a.session.next(s.now); r != nil; r = a.session.next(s.now) {
				again = true
				s.sayResponse(a, r)
			}
		}
	}
}

func (s *theatre) sayResponse(a *actor, r *response) {
	r.tail = tailOf(r, "")
	a.nonces[r.watch.typeURL] = r.nonce
	r.ProtoReflect()
	words := []string{a.name, scriptTypeName(r.watch.typeURL)}
	switch m := r.message.(type) {
	case *discoveryv3.DiscoveryResponse:
		for _, any := range m.Resources {
			words = append(words, scriptAny(s, any))
		}
		words = append(words, scriptErrors(m.ResourceErrors)...)
	case *discoveryv3.DeltaDiscoveryResponse:
		for _, resource := range m.Resources {
			words = append(words, scriptWrapped(resource))
		}
		for _, name := range m.RemovedResources {
			words = append(words, "-"+name)
		}
		words = append(words, scriptErrors(m.ResourceErrors)...)
	}
	s.say("%s", strings.Join(words, " "))
}

func scriptErrors(all []*discoveryv3.ResourceError) []string {
	var words []string
	for _, e := range all {
		words = append(words, fmt.Sprintf("%s:error-%d", e.ResourceName.GetName(), e.ErrorDetail.GetCode()))
	}
	return words
}

func scriptAny(s *theatre, any *anypb.Any) string {
	if any.TypeUrl != wrapperType {
		return string(any.Value)
	}
	var wrapped discoveryv3.Resource
	if err := proto.Unmarshal(any.Value, &wrapped); err != nil {
		s.t.Fatal(err)
	}
	return scriptWrapped(&wrapped)
}

func scriptWrapped(r *discoveryv3.Resource) string {
	text := r.Name + "="
	if r.Resource == nil {
		text += "(no body)"
	} else {
		text += string(r.Resource.Value)
	}
	if r.Ttl != nil {
		text += "~" + r.Ttl.AsDuration().String()
	}
	for _, alias := range r.Aliases {
		text += "@" + alias
	}
	return text
}
