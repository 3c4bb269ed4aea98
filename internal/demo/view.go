package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// eventsShown is how many of the latest events stay in view.
const eventsShown = 6

// view is what is seen of the running demo.
type view struct {
	stage   *stage
	last    mark // figures of the look before
	recent  mark // what became of requests between the last two looks
	status  api.Status
	asked   error // why there is no newer status
	running map[string]bool
	counts  []api.Service
	events  []string // the latest
	fresh   []string // those since the last look
	painted int      // lines that the next painting goes over
}

func newView(s *stage) *view {
	v := &view{stage: s, last: s.mark(), running: map[string]bool{}}
	for _, i := range s.instances {
		v.running[i.name] = true
	}
	return v
}

// look gathers new figures and notes what changed.
func (v *view) look(ctx context.Context) {
	v.fresh = nil
	now := v.stage.mark()
	v.recent, v.last = now.since(v.last), now
	if _, failed, reason := v.recent.sum(); failed > 0 {
		v.note("%d requests failed: %s", failed, reason)
	}
	for _, i := range v.stage.instances {
		if v.running[i.name] && hasEnded(i) == nil {
			v.running[i.name] = false
			v.note("%s has ended", i.name)
		}
	}
	status, err := v.stage.client.Status(ctx)
	if (err == nil) != (v.asked == nil) {
		v.note("the server %s", map[bool]string{true: "answers again", false: "does not answer"}[err == nil])
	}
	if v.asked = err; err != nil {
		return
	}
	v.compare(status)
	v.status = status
	if services, err := v.stage.client.Services(ctx); err == nil {
		v.counts = services
	}
}

// compare notes what is new in a status.
func (v *view) compare(now api.Status) {
	before := v.status
	if before.Config.Revision != "" && now.Config.Revision != before.Config.Revision {
		v.note("the documents are now revision %s", now.Config.Revision)
	}
	if len(now.Config.Problems) > 0 && !slices.Equal(now.Config.Problems, before.Config.Problems) {
		p := now.Config.Problems[0]
		v.note("refused: %s:%d: %s", p.File, p.Line, p.Message)
	}
	if held := now.Config.Held; held != nil && (before.Config.Held == nil || before.Config.Held.Revision != held.Revision) {
		v.note("held: it would remove most of the mesh; doyen accept %s lets it through", held.Revision)
	}
}

func (v *view) note(format string, args ...any) {
	event := time.Now().Format("15:04:05") + " " + fmt.Sprintf(format, args...)
	v.fresh = append(v.fresh, event)
	v.events = append(v.events, event)
	v.events = v.events[max(0, len(v.events)-eventsShown):]
}

// proxies counts the connected proxies and those of them that are in sync.
func (v *view) proxies() (connected, inSync int) {
	for _, p := range v.status.Proxies {
		if p.Connected {
			connected++
			if p.InSync {
				inSync++
			}
		}
	}
	return connected, inSync
}

// line is the view as one line of a log.
func (v *view) line() string {
	connected, inSync := v.proxies()
	return fmt.Sprintf("%s %s; %s; %d proxies connected, %d in sync; instances: %s",
		time.Now().Format("15:04:05"), v.recent.words(), v.recent.inWords(v.stage.paths), connected, inSync, v.instances())
}

func (v *view) instances() string {
	var words []string
	for _, s := range v.counts {
		word := fmt.Sprintf("%s %d", s.Name, s.Instances.Healthy)
		if other := s.Instances.Starting + s.Instances.Draining; other > 0 {
			word += fmt.Sprintf(" (+%d not healthy)", other)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
