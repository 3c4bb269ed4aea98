package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
)

// How long an agent that has begun to replace its program may take, and how often it is looked at.
const (
	upgradeLimit = 30 * time.Second
	upgradePoll  = 50 * time.Millisecond
)

func (i Invocation) agentUpgrade() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "upgrade [NAME]",
		Short: "Make agents on this host replace their own programs, while applications and Envoys keep running",
		Long: `Make the agents of this user on this host replace their own programs, one after the other: all of them, or those of a service or edge. Each goes on as the program that is now at the path from which it was started. Its application and its Envoy keep running, and no request is lost.

An agent first asks the new program whether it runs, reads what is handed over, and accepts the same arguments. If it does not, the agent goes on as it is, and the exit status is 1.`,
		Example: `  doyen agent upgrade
  doyen agent upgrade users
  doyen agent upgrade --state-dir /var/lib/doyen/users`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := i.agentFolders(folder)
			if err != nil {
				return err
			}
			found := 0
			var errs []error
			for _, f := range folders {
				a, ok := askAgent(cmd.Context(), f)
				if !ok || !a.Running || len(args) > 0 && args[0] != a.Service && args[0] != a.Edge {
					continue
				}
				found++
				now, err := upgradeAgent(cmd.Context(), f, a.Agent)
				if err == nil {
					err = i.printLine("%s: agent %d is now version %s", subject(a.Agent), now.PID, now.Version)
				} else {
					err = fmt.Errorf("%s: agent %d: %w", subject(a.Agent), a.PID, err)
				}
				errs = append(errs, err)
			}
			if found == 0 {
				return &hinted{errors.New("no such agent runs on this host"), "doyen agent status shows the agents; for one with a state folder of its own: doyen agent upgrade --state-dir DIR"}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVar(&folder, "state-dir", "", "state `folder` of one agent (default: all below ~/.local/state)")
	return cmd
}

// upgradeAgent makes an agent replace its program, waits until it has, and returns its status then.
func upgradeAgent(ctx context.Context, folder string, before status.Agent) (now status.Agent, err error) {
	socket := state.StatusSocket(folder)
	if err := status.Upgrade(ctx, socket); err != nil {
		return now, err
	}
	for limit := time.Now().Add(upgradeLimit); ; {
		now, err = status.Ask(ctx, socket)
		switch {
		case err == nil && now.PID != before.PID:
			return now, errors.New("it has ended, and another one was started")
		case err == nil && now.Upgrades > before.Upgrades:
			return now, nil
		case time.Now().After(limit) || !backoff.Sleep(ctx, upgradePoll):
			return now, errors.Join(fmt.Errorf("the new program does not answer within %v", upgradeLimit), err)
		}
	}
}

// subject is what an agent runs.
func subject(a status.Agent) string {
	if a.Edge != "" {
		return "edge " + a.Edge
	}
	return "service " + a.Service
}
