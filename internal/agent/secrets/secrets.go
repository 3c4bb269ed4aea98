package secrets

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/relay"
	"github.com/doyen-mesh/doyen/xds"
)

// interval is how often files are looked at. What changed is used once it is the same at two looks, so after at most
// twice this time.
const interval = 200 * time.Millisecond

// Relay is where secrets are named and needed.
type Relay interface {
	Named() (secrets []*xds.Resource, more <-chan struct{})
	Provide(contents map[relay.Key]relay.Content)
}

// Secrets reads the files that secrets name. Make it with New; Run runs it.
type Secrets struct {
	relay  Relay
	log    *slog.Logger
	read   map[relay.Key]*secret // owned by Run
	status atomic.Pointer[[]Status]
}

// New returns secrets for the clients of a relay.
func New(r Relay, log *slog.Logger) *Secrets {
	return &Secrets{relay: r, log: log, read: map[relay.Key]*secret{}}
}

// Run looks at the files of the secrets that the relay's clients have, until ctx ends, and returns nil. A file system of a
// machine that is away may never answer, and must not keep the agent from ending: what waits for it is left behind.
func (s *Secrets) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-ended:
	case <-time.After(patience):
		s.log.Error("the files of certificates do not answer")
	}
	return nil
}

func (s *Secrets) run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	told := map[relay.Key]relay.Content{}
	for {
		named, more := s.relay.Named()
		s.keep(named)
		contents := s.look(time.Now())
		if ctx.Err() != nil {
			return
		}
		if !maps.Equal(contents, told) {
			s.relay.Provide(contents)
			told = contents
		}
		tick := ticker.C
		if len(s.read) == 0 {
			tick = nil
		}
		select {
		case <-more:
			told = nil // a client that is new knows nothing
		case <-tick:
		case <-ctx.Done():
			return
		}
	}
}

// keep makes named the secrets whose files are looked at.
func (s *Secrets) keep(named []*xds.Resource) {
	is := map[relay.Key]bool{}
	for _, r := range named {
		key := relay.KeyOf(r)
		is[key] = true
		if s.read[key] == nil {
			s.read[key] = newSecret(r)
		}
	}
	maps.DeleteFunc(s.read, func(key relay.Key, _ *secret) bool { return !is[key] })
}

// look looks at all files. It returns what is known by now: not of secrets whose files are just being changed when they
// are met first.
func (s *Secrets) look(now time.Time) map[relay.Key]relay.Content {
	contents := make(map[relay.Key]relay.Content, len(s.read))
	var all []Status
	for key, one := range s.read {
		before := one.content
		if !one.look(now) {
			continue
		}
		contents[key] = one.content
		s.report(one, before)
		all = append(all, one.status())
	}
	slices.SortFunc(all, compareStatus)
	s.status.Store(&all)
	return contents
}

// report logs what has become of a secret.
func (s *Secrets) report(one *secret, before relay.Content) {
	now := one.content
	log := s.log.With("secret", one.name, "files", one.files)
	switch {
	case now.Resource == before.Resource:
	case one.used.notAfter.IsZero():
		log.Info("new authorities are used")
	default:
		log.Info("a new certificate is used", "expires", one.used.notAfter)
	}
	switch used := now.Resource != nil; {
	case text(now.Problem) == text(before.Problem):
	case now.Problem == nil:
		log.Info("the files of a certificate are good again")
	case used:
		log.Error("the files of a certificate have a problem: what was used before stays in use", "error", now.Problem)
	default:
		log.Error("the files of a certificate have a problem: there is none to use", "error", now.Problem)
	}
}

// Status returns the secrets that name files, by name.
func (s *Secrets) Status() []Status {
	if all := s.status.Load(); all != nil {
		return *all
	}
	return nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
