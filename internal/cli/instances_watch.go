package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/printable"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

const (
	// instancesWait is how long one call waits for a change.
	instancesWait = 30 * time.Second
	// retryInterval is how long a watch waits after a call that did not work.
	retryInterval = time.Second
)

// watchInstances shows the instances until the context ends: again with every change. A terminal is repainted in
// place.
func (i Invocation) watchInstances(cmd *cobra.Command, c connection, o output, service mesh.ServiceName) error {
	ctx, _, stop := interruptible(cmd.Context(), nil)
	defer stop()
	cmd.SetContext(ctx)
	c.timeout = instancesWait + requestTimeout
	screen := terminal.Screen{Out: i.Stdout, Size: i.size}
	version, silent := "none", false
	for ctx.Err() == nil {
		var answer registryapi.Instances
		var changed bool
		begun := time.Now()
		err := c.doRegistry(cmd, func(ctx context.Context, api *registryclient.Client) (err error) {
			answer, changed, err = api.Watch(ctx, service, version, instancesWait)
			return err
		})
		unreachable := new(httpapi.Unreachable)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (version == "none" || !errors.As(err, &unreachable)):
			return err
		case err != nil && !silent:
			silent = true
			fmt.Fprintf(i.Stderr, "%s no answer: %s\n", time.Now().Format(time.TimeOnly), printable.Text(err.Error()))
		case changed:
			version, silent = answer.Version, false
			if err := i.showInstances(&screen, o, service, answer); err != nil {
				return err
			}
		}
		if !changed && time.Since(begun) < retryInterval {
			pause(ctx, retryInterval)
		}
	}
	return nil
}

// showInstances shows one state of a watch.
func (i Invocation) showInstances(screen *terminal.Screen, o output, service mesh.ServiceName, answer registryapi.Instances) error {
	now := time.Now()
	if o == asJSON {
		return i.printJSON(answer)
	}
	p := i.instancesPage(o, service, answer.Instances, now)
	if columns, _ := i.size(); columns > 0 {
		screen.Paint(p.lines)
		return nil
	}
	return errors.Join(i.printLine("%s", now.Format(time.TimeOnly)), i.printPage(p), i.printLine(""))
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
