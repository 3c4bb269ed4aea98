package cli

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/agent/secrets"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/relay"
)

// agentsShown are the agents of this user on this host, as doyen agent status -o json prints them.
type agentsShown struct {
	Agents []agentShown `json:"agents"`
}

// agentShown is one state folder and the agent that has it.
type agentShown struct {
	Running bool `json:"running"`
	// Copied is when the newest copy of a configuration in the folder was last known to be current.
	Copied time.Time `json:"copied,omitzero"`
	status.Agent
}

func (i Invocation) agentStatus() *cobra.Command {
	var folder string
	var o output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the agents on this host, and the configuration that each keeps",
		Long: `Show the agents of this user on this host: their Envoys and gRPC programs, whether a server answers them, how old the configuration on disk is, and what they rejected. It needs no server.

The exit status is 1 when no agent is found.`,
		Example: `  doyen agent status
  doyen agent status --state-dir /var/lib/doyen/users
  doyen agent status -o json | jq '.agents[].clients'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folders, err := i.agentFolders(folder)
			if err != nil {
				return err
			}
			var all agentsShown
			for _, f := range folders {
				if a, ok := askAgent(cmd.Context(), f); ok {
					all.Agents = append(all.Agents, a)
				}
			}
			if len(all.Agents) == 0 {
				return &hinted{fmt.Errorf("no agent has kept anything in %s", strings.Join(append(folders, i.agentsRoot())[:1], "")), "for an agent with a state folder of its own: doyen agent status --state-dir DIR"}
			}
			if o == asJSON {
				return i.printJSON(all)
			}
			return i.printAgents(o, all, time.Now())
		},
	}
	addOutput(cmd, &o, asText, asWide, asJSON)
	cmd.Flags().StringVar(&folder, "state-dir", "", "state `folder` of one agent (default: all below ~/.local/state)")
	return cmd
}

// agentFolders are the state folders to look at: the one that was named, or all in the usual place.
func (i Invocation) agentFolders(named string) ([]string, error) {
	if named != "" {
		return []string{named}, nil
	}
	return filepath.Glob(filepath.Join(i.agentsRoot(), "*"))
}

// agentsRoot is where agents keep their state folders by default; "" where there is no place for them.
func (i Invocation) agentsRoot() string {
	root, err := i.stateRoot()
	if err != nil {
		return ""
	}
	return filepath.Join(root, "agents")
}

// askAgent asks the agent with a state folder. It reports false when the folder is none.
func askAgent(ctx context.Context, folder string) (agentShown, bool) {
	a := agentShown{Copied: state.Copied(folder)}
	var err error
	if a.Agent, err = status.Ask(ctx, state.StatusSocket(folder)); err == nil {
		a.Running = true
		return a, true
	}
	a.Folder = folder
	if _, err := os.Stat(filepath.Join(folder, "lock")); err != nil {
		return a, false
	}
	return a, true
}

func (i Invocation) printAgents(o output, all agentsShown, now time.Time) error {
	p := i.newPage(o)
	for n, a := range all.Agents {
		if n > 0 {
			p.blank()
		}
		p.agent(a, now)
	}
	return i.printPage(p)
}

func (p *page) agent(a agentShown, now time.Time) {
	if !a.Running {
		p.add("%s: no agent runs", a.Folder)
		if !a.Copied.IsZero() {
			p.add("  its configuration was current %s ago", span(now.Sub(a.Copied)))
		}
		return
	}
	p.add("%s: agent %d%s, started %s ago", subject(a.Agent), a.PID, prefixed(", version ", a.Version), span(now.Sub(a.Started)))
	if a.Upgrades > 0 {
		p.add("  upgraded %s ago", span(now.Sub(a.Upgraded)))
	}
	p.add("  state folder %s", a.Folder)
	if a.State != "" {
		p.add("  registered as %s%s", a.State, prefixed(": ", a.Reason))
	}
	switch a.Described {
	case "":
		p.add("  nothing has described it yet: no server has answered, and there is no copy")
	case "copy":
		p.add("  described by the copy on disk: no server has answered since the agent started")
	}
	for _, problem := range a.Problems {
		p.add("  %s", problem)
	}
	for _, c := range a.Clients {
		p.client(c, now)
	}
	for _, one := range a.Secrets {
		p.secret(one, now)
	}
}

// secret adds one certificate that an agent reads from files.
func (p *page) secret(s secrets.Status, now time.Time) {
	state := "not used"
	switch {
	case s.Used && s.Expires.IsZero():
		state = "used"
	case s.Used && now.After(s.Expires):
		state = fmt.Sprintf("used although it expired %s ago", span(now.Sub(s.Expires)))
	case s.Used:
		state = fmt.Sprintf("used, expires in %s", span(s.Expires.Sub(now)))
	}
	p.add("  secret %s, from %s: %s", s.Name, strings.Join(s.Files, " and "), state)
	if s.Problem != "" {
		p.add("    %s", s.Problem)
	}
}

// client adds one client of an agent.
func (p *page) client(c relay.Client, now time.Time) {
	n := 0
	for _, of := range c.Resources {
		n += of
	}
	p.add("  %s: %s, %s", c.Node, count(c.Streams, "stream"), count(n, "resource"))
	since := ""
	if !c.Since.IsZero() {
		since = " for " + span(now.Sub(c.Since))
	}
	switch {
	case c.Connected:
		p.add("    served from a server%s", since)
	case c.Streams > 0:
		p.add("    served from the agent's copy%s%s", since, prefixed(": ", c.Problem))
	}
	switch {
	case c.Saved.IsZero():
		p.add("    no copy on disk yet")
	case c.Connected && c.Current:
		p.add("    the copy on disk is current")
	default:
		p.add("    the copy on disk was current %s ago", span(now.Sub(c.Saved)))
	}
	if c.Unsaved != "" {
		p.add("    the copy could not be saved: %s", c.Unsaved)
	}
	if c.Ignored != "" {
		p.add("    the copy that was there at the start was ignored: %s", c.Ignored)
	}
	for _, typeURL := range slices.Sorted(maps.Keys(c.Rejected)) {
		p.add("    rejected a %s: %s", typeURL[strings.LastIndexByte(typeURL, '.')+1:], c.Rejected[typeURL])
	}
}

// prefixed is text after prefix; "" when there is no text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// stateRoot is where doyen keeps what survives a restart unless told otherwise.
func (i Invocation) stateRoot() (string, error) {
	root := i.Getenv("XDG_STATE_HOME")
	if root == "" {
		home := i.Getenv("HOME")
		if home == "" {
			return "", fs.ErrNotExist
		}
		root = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(root, "doyen"), nil
}
