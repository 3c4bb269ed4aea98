package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

func (i Invocation) instances() *cobra.Command {
	var c connection
	var o output
	var watch bool
	cmd := &cobra.Command{
		Use:   "instances [SERVICE]",
		Short: "List the registered instances",
		Example: `  doyen instances
  doyen instances users -o json | jq -r '.instances[].address'
  doyen instances --watch`,
		Args: optionalArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			var service mesh.ServiceName
			if len(args) == 1 {
				var err error
				if service, err = mesh.ParseServiceName(args[0]); err != nil {
					return usage("", "%w", err)
				}
			}
			if watch {
				return i.watchInstances(cmd, c, o, service)
			}
			var answer registryapi.Instances
			err := c.doRegistry(cmd, func(ctx context.Context, api *registryclient.Client) (err error) {
				answer, err = api.Instances(ctx, service)
				return err
			})
			if err == nil && service != "" && len(answer.Instances) == 0 {
				err = c.hasManifest(cmd, string(service))
			}
			if err != nil {
				return err
			}
			if o == asJSON {
				return i.printJSON(answer)
			}
			return i.printPage(i.instancesPage(o, service, answer.Instances, time.Now()))
		},
	}
	c.add(cmd)
	addOutput(cmd, &o, asText, asWide, asJSON)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show the instances until interrupted, as they change")
	cmd.ValidArgsFunction = i.completeFirst(&c, serviceNames)
	return cmd
}

// hasManifest returns an error if the service has no manifest.
func (c *connection) hasManifest(cmd *cobra.Command, service string) error {
	return c.do(cmd, func(ctx context.Context, api *client.Client) error {
		_, err := api.Service(ctx, service)
		if !httpapi.IsStatus(err, http.StatusNotFound) {
			return err
		}
		services, listErr := api.Services(ctx)
		if listErr != nil {
			return listErr
		}
		return noManifest(service, services)
	})
}

// shownState returns the state of an instance. An instance whose proxy is gone is probably dead, so its last state is
// not shown.
func shownState(in registryapi.Instance) string {
	state, _ := in.Condition()
	if !in.ProxyGone.IsZero() && state != registry.Maintenance {
		return "disconnected"
	}
	return string(state)
}

func (i Invocation) instancesPage(o output, service mesh.ServiceName, instances []registryapi.Instance, now time.Time) *page {
	p := i.newPage(o)
	switch {
	case len(instances) == 0 && service != "":
		p.add("no instance of %s is registered", service)
		return p
	case len(instances) == 0:
		p.add("no instance is registered")
		return p
	}
	header := []string{"SERVICE", "ADDRESS", "STATE", "ZONE", "WEIGHT", "LEASE"}
	networks := slices.ContainsFunc(instances, func(in registryapi.Instance) bool { return in.Network != "" })
	if networks {
		header = append(header, "NETWORK")
	}
	if o == asWide {
		header = append(header, "PROXY", "TAGS")
	}
	var rows [][]string
	for _, in := range instances {
		row := []string{string(in.Service), in.Address.String(), shownState(in), cmp.Or(string(in.Zone), "-"), fmt.Sprint(in.Weight), leaseOf(in, now)}
		if networks {
			row = append(row, cmp.Or(string(in.Network), "-"))
		}
		if o == asWide {
			row = append(row, cmp.Or(in.Proxy, "-"), tagList(in.Tags))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
	for _, in := range instances {
		if !in.ProxyGone.IsZero() {
			p.add("%v is disconnected: its proxy has not been connected for %s, and the instance did not leave the registry; its agent said %s", in.Key(), span(now.Sub(in.ProxyGone)), in.State)
		}
		if state, reason := in.Condition(); reason != "" {
			p.add("%v is %s: %s", in.Key(), shownWord(state), reason)
		}
	}
	return p
}

// shownWord returns a state as a sentence says it.
func shownWord(state registry.State) string {
	if state == registry.Maintenance {
		return "in maintenance"
	}
	return string(state)
}

func tagList(tags map[string]string) string {
	var all []string
	for _, name := range names(maps.Keys(tags)) {
		all = append(all, name+"="+tags[name])
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

// leaseOf returns how long an instance has left, or what lists it.
func leaseOf(in registryapi.Instance, now time.Time) string {
	if in.Source != "" {
		return "listed by " + in.Source
	}
	return leaseLeft(in.Expires, now)
}

func leaseLeft(expires, now time.Time) string {
	if left := expires.Sub(now); left > 0 {
		return "ends in " + span(left)
	}
	return "ended"
}
