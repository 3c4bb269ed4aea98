package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/printable"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

func (i Invocation) services() *cobra.Command {
	var a asking
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "services",
		Short:   "List the services: owner, ports, calls, instances",
		Example: "  doyen services",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *client.Client) error {
				services, err := c.Services(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return i.printJSON(api.Services{Services: services})
				}
				return i.printServices(services)
			})
		},
	}
	a.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func (i Invocation) printServices(services []api.Service) error {
	if len(services) == 0 {
		_, err := fmt.Fprintln(i.Stdout, "no services: the server's folder has no Service document")
		return err
	}
	w := tabwriter.NewWriter(i.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tOWNER\tPORTS\tCALLS\tINSTANCES\tMANIFEST")
	for _, s := range services {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, cmp.Or(s.Owner, "-"), portsInWords(s.Ports), callsInWords(s.Calls), instancesInWords(s.Instances), s.Origin)
	}
	return w.Flush()
}

func portsInWords(ports []api.Port) string {
	var words []string
	for _, p := range ports {
		word := p.Name
		if p.Name != p.Protocol {
			word += " (" + p.Protocol + ")"
		}
		words = append(words, word)
	}
	return cmp.Or(strings.Join(words, ", "), "-")
}

func callsInWords(calls []api.Call) string {
	var words []string
	for _, c := range calls {
		word := c.To
		if c.Port != "" {
			word = c.Port + "." + word
		}
		words = append(words, word)
	}
	return cmp.Or(strings.Join(words, ", "), "-")
}

func instancesInWords(n api.Instances) string {
	var words []string
	for _, part := range []struct {
		count int
		word  string
	}{{n.Healthy, "healthy"}, {n.Unhealthy, "unhealthy"}, {n.Starting, "starting"}, {n.Draining, "draining"}} {
		if part.count > 0 {
			words = append(words, fmt.Sprintf("%d %s", part.count, part.word))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}

func (i Invocation) instances() *cobra.Command {
	var a asking
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "instances [SERVICE]",
		Short: "List the instances that are checked in",
		Example: `  doyen instances
  doyen instances users --json | jq -r '.instances[].address'`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var service mesh.ServiceName
			if len(args) == 1 {
				var err error
				if service, err = mesh.ParseServiceName(args[0]); err != nil {
					return usage("", "%w", err)
				}
			}
			return a.askRegistry(cmd, func(ctx context.Context, c *registryclient.Client) error {
				answer, err := c.Instances(ctx, service)
				if err != nil {
					return err
				}
				if asJSON {
					return i.printJSON(answer)
				}
				return i.printInstances(answer.Instances, time.Now())
			})
		},
	}
	a.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func (i Invocation) printInstances(instances []registryapi.Instance, now time.Time) error {
	if len(instances) == 0 {
		_, err := fmt.Fprintln(i.Stdout, "no instances: nobody has checked in")
		return err
	}
	w := tabwriter.NewWriter(i.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "SERVICE\tADDRESS\tSTATE\tZONE\tWEIGHT\tLEASE")
	if slices.ContainsFunc(instances, func(in registryapi.Instance) bool { return in.Reason != "" }) {
		fmt.Fprint(w, "\tREASON")
	}
	fmt.Fprintln(w)
	for _, in := range instances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s", in.Service, in.Address, in.State, cmp.Or(string(in.Zone), "-"), in.Weight, leaseInWords(in.Expires, now))
		if in.Reason != "" {
			fmt.Fprintf(w, "\t%s", printable.Text(in.Reason))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func leaseInWords(expires, now time.Time) string {
	if left := expires.Sub(now); left > 0 {
		return "ends in " + span(left)
	}
	return "ended"
}
