package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
)

// statusOptions are the arguments of doyen status.
type statusOptions struct {
	connection
	output output
	check  bool
	watch  bool
	proxy  string // "" is all
}

func (i Invocation) status() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [PROXY]",
		Short: "Show what is wrong in the mesh, and how far every proxy is",
		Long: `Show the state of the mesh as one server sees it: what is wrong and needs a person, the documents in force, and every proxy. With a node ID, or a part of one, explain that proxy.

A proxy is in sync when it has acknowledged all the configuration that there is for it. MISSING is a proxy that should be connected and is not: that of a registered instance that takes traffic, or one for each Edge document. A proxy that left in an orderly way is shown for ten minutes and is no failure.

With --check, for scripts and monitoring, only what is wrong is printed, and the exit status is 1 when there is anything (-o json prints the whole status). A change that is being sent is not wrong; a proxy that has not acknowledged a change for 30 seconds is.`,
		Example: `  doyen status
  doyen status --check
  doyen status sidecar/users/10.0.0.7:9211
  doyen status -o json |
    jq -r '.findings[] | "\(.kind) \(.subject): \(.message)"'`,
		Args: optionalArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.watch && (o.check || o.output == asJSON) {
				return usage("run it again and again instead", "%s: --watch goes with neither --check nor -o json", cmd.CommandPath())
			}
			o.proxy = strings.Join(args, "")
			if o.watch {
				return i.watchStatus(cmd, o)
			}
			s, err := o.ask(cmd)
			if err != nil {
				return err
			}
			return i.printStatus(o, s)
		},
	}
	o.add(cmd)
	addOutput(cmd, &o.output, asText, asWide, asJSON)
	cmd.Flags().BoolVar(&o.check, "check", false, "print only what is wrong; the exit status is 1 when anything is")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "show the status until interrupted, as it changes")
	cmd.ValidArgsFunction = i.completeFirst(&o.connection, proxyNames)
	return cmd
}

// ask requests the status, and keeps only the proxy that was asked for.
func (o *statusOptions) ask(cmd *cobra.Command) (api.Status, error) {
	var s api.Status
	err := o.do(cmd, func(ctx context.Context, c *client.Client) (err error) {
		s, err = c.Status(ctx)
		return err
	})
	if err != nil || o.proxy == "" {
		return s, err
	}
	return only(s, o.proxy)
}

// only reduces a status to one proxy, given by its node ID or by a part that no other node ID contains.
func only(s api.Status, name string) (api.Status, error) {
	var ids, near []string
	for _, p := range s.Proxies {
		if p.Node == name {
			near = []string{name}
			break
		}
		if ids = append(ids, p.Node); strings.Contains(p.Node, name) {
			near = append(near, p.Node)
		}
	}
	near = slices.Compact(near) // sorted by node
	switch {
	case len(near) == 0 && len(s.Proxies) == 0:
		return s, fmt.Errorf("there is no proxy %q, and no other", name)
	case len(near) == 0:
		return s, &hinted{fmt.Errorf("there is no proxy %q", name), "there are " + some(slices.Compact(ids), 3)}
	case len(near) > 1:
		return s, &hinted{fmt.Errorf("%q is a part of %d node IDs", name, len(near)), "one of " + some(near, 3)}
	}
	s.Proxies = slices.DeleteFunc(s.Proxies, func(p api.Proxy) bool { return p.Node != near[0] })
	s.Findings = slices.DeleteFunc(s.Findings, func(f api.Finding) bool { return f.Subject != near[0] })
	return s, nil
}

// printStatus prints a status in the requested form. Its error is the exit status of a check.
func (i Invocation) printStatus(o statusOptions, s api.Status) error {
	var err error
	switch {
	case o.output == asJSON:
		err = i.printJSON(s)
	default:
		err = i.printPage(i.statusPage(o, s, time.Now()))
	}
	if err == nil && o.check && len(s.Findings) > 0 {
		return exitStatus(statusError)
	}
	return err
}

// statusPage is a status for a person.
func (i Invocation) statusPage(o statusOptions, s api.Status, now time.Time) *page {
	p := i.newPage(o.output)
	r := statusReport{Status: s, page: p, address: o.server, now: now, wide: o.output == asWide}
	switch {
	case o.check:
		r.check()
	case o.proxy != "":
		r.explain()
	default:
		r.overview()
	}
	return p
}
