package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// watchInterval is how often the status is requested.
const watchInterval = time.Second

// watchStatus shows the status until the context ends. A terminal is repainted in place. Otherwise the whole status
// is printed each time that something other than the time has changed.
func (i Invocation) watchStatus(cmd *cobra.Command, o statusOptions) error {
	ctx, _, stop := interruptible(cmd.Context(), nil)
	defer stop()
	cmd.SetContext(ctx)
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	w := statusWatch{Invocation: i, screen: terminal.Screen{Out: i.Stdout, Size: i.size}}
	for {
		s, err := o.ask(cmd)
		if ctx.Err() != nil {
			return nil
		}
		if err := w.show(o, s, err, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// statusWatch is what a watch showed last.
type statusWatch struct {
	Invocation
	screen terminal.Screen
	last   api.Status
	known  bool   // last was seen
	text   string // printed last, where there is no terminal
}

// show shows a status. Without one, it shows the error together with the last status. A permanent error ends the
// watch.
func (w *statusWatch) show(o statusOptions, s api.Status, err error, now time.Time) error {
	var unreachable *httpapi.Unreachable
	switch {
	case err == nil:
		w.last, w.known = s, true
	case !errors.As(err, &unreachable) || !w.known:
		return err
	}
	columns, _ := w.size()
	if columns > 0 {
		lines := w.statusPage(o, w.last, now).lines
		if err != nil {
			lines = append([]string{fmt.Sprintf("NO ANSWER: %v; what follows is the last status", err), ""}, lines...)
		}
		w.screen.Paint(lines)
		return nil
	}
	text := w.unchanging(o, err)
	if text == w.text {
		return nil
	}
	w.text = text
	if err != nil {
		return w.printLine("%s no answer: %v", now.Format(time.TimeOnly), err)
	}
	return errors.Join(w.printLine("%s", now.Format(time.TimeOnly)), w.printPage(w.statusPage(o, w.last, now)), w.printLine(""))
}

// unchanging returns the last status without what changes all the time.
func (w *statusWatch) unchanging(o statusOptions, err error) string {
	if err != nil {
		return "no answer"
	}
	fixed := w.last.Server.Started
	return strings.Join(w.statusPage(o, w.last, fixed).lines, "\n")
}
