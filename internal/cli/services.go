package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

func (i Invocation) services() *cobra.Command {
	var c connection
	var o output
	cmd := &cobra.Command{
		Use:   "services [SERVICE]",
		Short: "List the services, or show one: owner, ports, calls, instances",
		Example: `  doyen services
  doyen services users`,
		Args: optionalArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.do(cmd, func(ctx context.Context, api *client.Client) error {
				if len(args) == 1 {
					return i.showService(ctx, api, o, args[0])
				}
				return i.listServices(ctx, api, o)
			})
		},
	}
	c.add(cmd)
	addOutput(cmd, &o, asText, asWide, asJSON)
	cmd.ValidArgsFunction = i.completeFirst(&c, serviceNames)
	return cmd
}

func (i Invocation) listServices(ctx context.Context, c *client.Client, o output) error {
	services, err := c.Services(ctx)
	if err != nil {
		return err
	}
	if o == asJSON {
		return i.printJSON(api.Services{Services: services})
	}
	p := i.newPage(o)
	if len(services) == 0 {
		p.add("no services: the server's folder has no Service document")
		return i.printPage(p)
	}
	header := []string{"SERVICE", "OWNER", "PORTS", "CALLS", "INSTANCES"}
	if o == asWide {
		header = append(header, "MANIFEST")
	}
	var rows [][]string
	for _, s := range services {
		row := []string{s.Name, cmp.Or(s.Owner, "-"), portNames(s.Ports), callNames(s.Calls), instanceCounts(s.Instances)}
		if o == asWide {
			row = append(row, s.Origin)
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
	return i.printPage(p)
}

// showService shows one service and who calls it.
func (i Invocation) showService(ctx context.Context, c *client.Client, o output, name string) error {
	services, err := c.Services(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(services, func(s api.Service) bool { return s.Name == name })
	if at < 0 {
		return noManifest(name, services)
	}
	s := services[at]
	if o == asJSON {
		return i.printJSON(s)
	}
	p := i.newPage(o)
	p.field("service", "%s", s.Name)
	p.field("owner", "%s", cmp.Or(s.Owner, "-"))
	p.field("manifest", "%s", s.Origin)
	p.field("ports", "%s", portDetails(s.Ports))
	p.field("health", "%s", healthCheck(s.Health))
	p.field("calls", "%s", callDetails(s.Calls))
	p.field("called by", "%s", cmp.Or(strings.Join(callers(services, name), ", "), "no service"))
	p.field("instances", "%s", instanceCounts(s.Instances))
	return i.printPage(p)
}

// noManifest returns the error that there is no such service, with the nearest name.
func noManifest(name string, services []api.Service) error {
	var all []string
	for _, s := range services {
		all = append(all, s.Name)
	}
	hint := "doyen services lists those that have one"
	return &hinted{fmt.Errorf("service %q has no manifest", name), cmp.Or(suggest.DidYouMean(name, all), hint)}
}

func callers(services []api.Service, name string) []string {
	var all []string
	for _, s := range services {
		if slices.ContainsFunc(s.Calls, func(c api.Call) bool { return c.To == name }) {
			all = append(all, s.Name)
		}
	}
	return all
}

func portNames(ports []api.Port) string {
	var all []string
	for _, p := range ports {
		all = append(all, portName(p))
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

func portName(p api.Port) string {
	if p.Name == p.Protocol {
		return p.Name
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.Protocol)
}

func portDetails(ports []api.Port) string {
	var all []string
	for _, p := range ports {
		text := portName(p)
		if p.Port != 0 {
			text += fmt.Sprintf(" on %d", p.Port)
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

// callersInterval is how often callers' proxies check instances if the manifest does not say so.
const callersInterval = "5s"

func healthCheck(h *api.Health) string {
	if h == nil {
		return "a TCP connection to the main port"
	}
	what := "a TCP connection"
	switch {
	case h.HTTP != "":
		what = "GET " + h.HTTP
	case h.GRPC != nil:
		what = "gRPC health check"
		if *h.GRPC != "" {
			what += " of " + *h.GRPC
		}
	}
	if h.Port != "" {
		what += " on port " + h.Port
	}
	return fmt.Sprintf("%s every %s, timeout %s", what, cmp.Or(h.Interval, callersInterval), h.Timeout)
}

func callName(c api.Call) string {
	if c.Port != "" {
		return c.Port + "." + c.To
	}
	return c.To
}

func callNames(calls []api.Call) string {
	var all []string
	for _, c := range calls {
		all = append(all, callName(c))
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

func callDetails(calls []api.Call) string {
	var all []string
	for _, c := range calls {
		text := fmt.Sprintf("%s (%s)", callName(c), c.Protocol)
		if c.LocalPort != 0 {
			text = fmt.Sprintf("%s (%s, at 127.0.0.1:%d)", callName(c), c.Protocol, c.LocalPort)
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

func instanceCounts(n api.Instances) string {
	var all []string
	for _, part := range []struct {
		count int
		state string
	}{{n.Healthy, "healthy"}, {n.Unhealthy, "unhealthy"}, {n.Starting, "starting"}, {n.Draining, "draining"}, {n.Maintenance, "in maintenance"}, {n.Disconnected, "disconnected"}} {
		if part.count > 0 {
			all = append(all, fmt.Sprintf("%d %s", part.count, part.state))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}
