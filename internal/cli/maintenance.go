package cli

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

// maintenanceOrder is what the command was asked for.
type maintenanceOrder struct {
	key    registry.Key
	reason string
	end    bool
	wait   time.Duration
}

func (i Invocation) maintenance() *cobra.Command {
	var c connection
	var o output
	var order maintenanceOrder
	cmd := &cobra.Command{
		Use:   "maintenance [SERVICE ADDRESS:PORT --reason TEXT|--end]",
		Short: "Keep an instance out of service, or list those that are kept out",
		Long: `Keep an instance out of service, or list those that are kept out.

An instance in maintenance gets no requests, whatever its agent says of its health. That lasts until it is taken back with --end: check-ins, restarts of the agent or of the host, and restarts of the server do not end it.`,
		Example: `  doyen maintenance
  doyen maintenance users 10.0.0.7:9211 --reason "new disk" --wait 30s
  doyen maintenance users 10.0.0.7:9211 --end`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return usage("usage: "+cmd.UseLine(), "%s: ADDRESS:PORT is required", cmd.CommandPath())
			}
			return atMost(cmd, args, 2)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return i.listMaintenance(cmd, &c, o, order)
			}
			if err := order.parse(cmd, args); err != nil {
				return err
			}
			return i.maintain(cmd, &c, order)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&order.reason, "reason", "", "`text` for people who meet the instance in maintenance")
	flags.BoolVar(&order.end, "end", false, "the maintenance is over: take it back")
	flags.DurationVar(&order.wait, "wait", 0, "longest time to wait until the callers' proxies have acknowledged it")
	flags.Var(nameValue(&order.key.Network, "name", mesh.ParseNetworkName), "network", "network of the instance (default: the mesh's default network)")
	c.add(cmd)
	addOutput(cmd, &o, asText, asJSON)
	cmd.ValidArgsFunction = i.completeFirst(&c, serviceNames)
	return cmd
}

// parse completes the order with the arguments, and checks that the flags fit.
func (o *maintenanceOrder) parse(cmd *cobra.Command, args []string) (err error) {
	if o.key.Service, err = mesh.ParseServiceName(args[0]); err != nil {
		return usage("", "%w", err)
	}
	if o.key.Address, err = netip.ParseAddrPort(args[1]); err != nil {
		return usage("doyen instances lists the addresses", "%q is no IP address with a port, such as 10.0.0.7:9211", args[1])
	}
	if o.end == (o.reason != "") {
		return usage("to begin: --reason TEXT; to end: --end", "%s: one of --reason and --end is required", cmd.CommandPath())
	}
	return nil
}

func (i Invocation) maintain(cmd *cobra.Command, c *connection, o maintenanceOrder) error {
	var left registryapi.Left
	err := c.doRegistry(cmd, func(ctx context.Context, api *registryclient.Client) (err error) {
		left, err = api.Maintain(ctx, o.key, o.reason, o.wait)
		return err
	})
	if err != nil {
		return err
	}
	state := "is in maintenance: " + o.reason
	if o.end {
		state = "is not in maintenance any more"
	}
	if err := i.printLine("%v %s", o.key, state); err != nil || o.wait == 0 {
		return err
	}
	if left.Acknowledged {
		return i.printLine("every caller's proxy has acknowledged it, after %v", left.Waited)
	}
	return i.printLine("not acknowledged: %s", left.Reason)
}

func (i Invocation) listMaintenance(cmd *cobra.Command, c *connection, o output, order maintenanceOrder) error {
	if order.end || order.reason != "" {
		return usage("usage: "+cmd.UseLine(), "%s: SERVICE and ADDRESS:PORT are required", cmd.CommandPath())
	}
	var orders []registryapi.Order
	err := c.doRegistry(cmd, func(ctx context.Context, api *registryclient.Client) (err error) {
		orders, err = api.Orders(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case o == asJSON:
		return i.printJSON(registryapi.Orders{Orders: orders})
	}
	p := i.newPage(o)
	if len(orders) == 0 {
		p.add("no instance is in maintenance")
		return i.printPage(p)
	}
	var rows [][]string
	for _, o := range orders {
		registered := "yes"
		if !o.Registered {
			registered = "no"
		}
		rows = append(rows, []string{string(o.Service), o.Address.String(), cmp.Or(string(o.Network), "-"), registered, o.Reason})
	}
	p.table([]string{"SERVICE", "ADDRESS", "NETWORK", "REGISTERED", "REASON"}, rows)
	return i.printPage(p)
}
