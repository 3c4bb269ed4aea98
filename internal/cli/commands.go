package cli

import "github.com/spf13/cobra"

// commands returns all commands by group, in the order in which help shows the groups.
func (i Invocation) commands() []struct {
	group    string
	commands []*cobra.Command
} {
	return []struct {
		group    string
		commands []*cobra.Command
	}{
		{groupRun, []*cobra.Command{i.demo(), i.server(), i.agent(), i.edge()}},
		{groupCheck, []*cobra.Command{i.validate(), i.explain(), i.render(), i.schema(), i.bootstrap()}},
		{groupAsk, []*cobra.Command{i.status(), i.services(), i.instances(), i.maintenance(), i.accept(), i.expiry()}},
	}
}
