package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
)

func (i Invocation) status() *cobra.Command {
	var a asking
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether documents and proxies are in step, and what waits for a person",
		Long: `Show the state of the mesh as one server sees it: the documents in force, changes that were refused or are held, paused expiry, and every proxy: whether it is connected, and in sync or why not.

A proxy is in sync when it has acknowledged all there is for it. Each type of resource (clusters, endpoints, listeners, routes) has a version; where what was sent differs from what the proxy acknowledged, both are shown.`,
		Example: `  doyen status
  doyen status --json | jq -r '.proxies[] | select(.inSync | not) | "\(.node): \(.why)"'`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *client.Client) error {
				s, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return i.printJSON(s)
				}
				report := statusReport{Status: s, address: a.server, now: time.Now()}
				_, err = io.WriteString(i.Stdout, report.String())
				return err
			})
		},
	}
	a.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

// statusReport is a server's status in words for a person.
type statusReport struct {
	api.Status
	address string // of the server
	now     time.Time
}

// String returns the report: what waits for a person stands before what is well.
func (r statusReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "server     %s, doyen %s, up %s\n", r.address, r.Server.Version, span(r.now.Sub(r.Server.Started)))
	r.documents(&b)
	r.expiry(&b)
	r.proxies(&b)
	return b.String()
}

func (r statusReport) documents(b *strings.Builder) {
	c := r.Config
	fmt.Fprintf(b, "documents  revision %s is in force", c.Revision)
	if c.Folder != "" {
		fmt.Fprintf(b, ", from %s", c.Folder)
	}
	b.WriteByte('\n')
	if c.Error != "" {
		fmt.Fprintf(b, "           NOT READ: %s\n           the mesh keeps the revision in force\n", c.Error)
	}
	if len(c.Problems) > 0 {
		fmt.Fprintf(b, "           REFUSED: what the folder holds now has %s; the mesh keeps the revision in force\n", count(len(c.Problems), "problem"))
	}
	for _, p := range c.Problems {
		fmt.Fprintf(b, "             %s: %s%s\n", placeOf(p), p.Message, hintOf(p))
	}
	if h := c.Held; h != nil {
		fmt.Fprintf(b, "           HELD: revision %s: %s (%s)\n", h.Revision, h.Reason, some(h.Removes, 5))
		fmt.Fprintf(b, "             to let it through: doyen accept %s\n", h.Revision)
	}
}

func placeOf(p api.Problem) string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// hintOf is what would be right, when that is known.
func hintOf(p api.Problem) string {
	switch {
	case p.Hint != "":
		return "; " + p.Hint
	case p.Expected != "":
		return "; expected " + p.Expected
	default:
		return ""
	}
}

// some lists at most most of the words, and says how many there are besides.
func some(words []string, most int) string {
	if len(words) <= most {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
}

func (r statusReport) expiry(b *strings.Builder) {
	for _, d := range r.Expiry {
		fmt.Fprintf(b, "leases     PAUSED for %s: %d of %s stopped checking in at once %s ago; they stay for %s more\n",
			d.Service, len(d.Instances), count(d.Of, "instance"), span(r.now.Sub(d.Since)), span(d.Until.Sub(r.now)))
		fmt.Fprintf(b, "             they are dead: doyen expiry %s --expire\n", d.Service)
		fmt.Fprintf(b, "             they live:     doyen expiry %s --keep\n", d.Service)
	}
}
