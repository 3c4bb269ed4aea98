package sources

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	// Answers are valid for their TTL, within these bounds.
	minTTL, maxTTL = time.Second, 5 * time.Minute
	// retryInterval is how long to wait after an error.
	retryInterval = 5 * time.Second
	// absenceDoubt is for how long a name that had instances must have none before that is believed. It is the lease of
	// an instance: a broken zone is more likely than that all of them are gone.
	absenceDoubt = registry.DefaultLease
	// firstPatience is how long the first set waits for answers.
	firstPatience = 2 * time.Second
	// maxTargets is how many instances one name stands for at most.
	maxTargets = 256
)

// question is what is looked up.
type question struct {
	Name string // with a dot at the end
	Type string // "A", "AAAA", "SRV", or "" for A and AAAA
	Port uint16 // of the instances; 0 for SRV
}

// target is one instance in an answer.
type target struct {
	Address netip.AddrPort
	Weight  uint32 // 0: not known
}

// DNS lists the instances that names of a [File] stand for.
type DNS struct {
	lookups <-chan []lookup
	resolve func(context.Context, question) ([]target, time.Duration, error) // see Resolver.resolve
	kept    string
	log     *slog.Logger

	// Owned by Run.
	wanted    []lookup
	answers   map[question][]target // the last ones
	following map[question]context.CancelFunc
}

// NewDNS returns the source for the names in f. The last answers are kept in the file kept.
func NewDNS(f *File, resolver *Resolver, kept string, log *slog.Logger) *DNS {
	return &DNS{lookups: f.lookups, resolve: resolver.resolve, kept: kept, log: log, answers: map[question][]target{}, following: map[question]context.CancelFunc{}}
}

// Name implements Source.
func (d *DNS) Name() string { return "dns" }

// result is what a question's goroutine found.
type result struct {
	question
	targets []target
}

// Run implements Source.
func (d *DNS) Run(ctx context.Context, set func([]registry.Instance)) error {
	d.restore()
	results := make(chan result)
	unanswered := map[question]struct{}{}
	patience := time.NewTimer(firstPatience)
	defer patience.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	begun, over := false, false // names are known; the first set is not waited for any more
	for {
		changed := false
		select {
		case <-ctx.Done():
			return nil
		case d.wanted = <-d.lookups:
			begun, changed = true, true
			for q, following := range d.follow(ctx) {
				unanswered[q] = struct{}{}
				known := d.answers[q]
				asking.Go(func() { d.ask(following, q, known, results) })
			}
		case r := <-results:
			delete(unanswered, r.question)
			if _, stays := d.following[r.question]; !stays {
				continue
			}
			if known, found := d.answers[r.question]; !found || !slices.Equal(known, r.targets) {
				changed = true
				d.answers[r.question] = r.targets
				d.keep()
			}
		case <-patience.C:
			over, changed = true, true
		}
		if !over && begun && len(unanswered) == 0 {
			over, changed = true, true
		}
		if over && begun && changed {
			set(d.instances())
		}
	}
}

// follow returns the questions that are new, each with the context in which to ask it. It ends those that are not
// wanted any more.
func (d *DNS) follow(ctx context.Context) map[question]context.Context {
	begun, wanted := map[question]context.Context{}, map[question]struct{}{}
	for _, l := range d.wanted {
		q := l.question
		wanted[q] = struct{}{}
		if d.following[q] == nil {
			begun[q], d.following[q] = context.WithCancel(ctx)
		}
	}
	for q, cancel := range d.following {
		if _, stays := wanted[q]; !stays {
			cancel()
			delete(d.following, q)
			delete(d.answers, q)
		}
	}
	return begun
}

// ask looks q up again whenever its answer is outdated, until ctx ends.
func (d *DNS) ask(ctx context.Context, q question, known []target, results chan<- result) {
	var absent time.Time // since when the name has had no instances, although some are known
	failing := false
	for ctx.Err() == nil {
		found, ttl, err := d.resolve(ctx, q)
		switch {
		case err != nil:
			if ttl = retryInterval; !failing && ctx.Err() == nil {
				d.log.Warn("name is not resolved: its last instances stay", "name", q.Name, "error", err)
			}
		case len(found) > 0 || len(known) == 0:
			known, absent = found, time.Time{}
		case absent.IsZero():
			absent = time.Now()
			d.log.Warn("name has no instances any more: the last ones stay until that has lasted", "name", q.Name, "until", absent.Add(absenceDoubt))
		case time.Since(absent) >= absenceDoubt:
			known, absent = nil, time.Time{}
		}
		failing = err != nil
		select {
		case results <- result{q, known}:
		case <-ctx.Done():
		}
		select {
		case <-time.After(min(max(ttl, minTTL), maxTTL)):
		case <-ctx.Done():
		}
	}
}

// instances returns what all names stand for. Of two that stand for one address, the first counts.
func (d *DNS) instances() []registry.Instance {
	var all []registry.Instance
	seen := map[registry.Key]struct{}{}
	for _, l := range d.wanted {
		for _, t := range d.answers[l.question] {
			i := l.like
			i.Address, i.Weight = t.Address, cmp.Or(i.Weight, t.Weight)
			checked := i.WithDefaults()
			if _, twice := seen[i.Key]; twice || len(checked.Problems()) > 0 {
				continue // such as 0.0.0.0, which some resolvers answer for names that they block
			}
			seen[i.Key] = struct{}{}
			all = append(all, i)
		}
	}
	return all
}

// kept is an answer on disk.
type kept struct {
	question
	Targets []target
}

// keep writes the last answers to disk, for a start while names cannot be resolved.
func (d *DNS) keep() {
	all := make([]kept, 0, len(d.answers))
	for _, q := range slices.SortedFunc(maps.Keys(d.answers), compareQuestions) {
		all = append(all, kept{q, d.answers[q]})
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = atomicfile.Write(d.kept, text, 0o600)
	}
	if err != nil {
		d.log.Warn("answers of DNS are not kept for the next start", "error", err)
	}
}

// restore reads what keep wrote. Without it, names have no instances until they are resolved.
func (d *DNS) restore() {
	text, err := os.ReadFile(d.kept)
	if err != nil {
		return
	}
	var all []kept
	if err := json.Unmarshal(text, &all); err != nil {
		d.log.Warn("the last answers of DNS cannot be read", "file", d.kept, "error", err)
		return
	}
	for _, k := range all {
		d.answers[k.question] = k.Targets
	}
}

func compareQuestions(a, b question) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Port, b.Port))
}
