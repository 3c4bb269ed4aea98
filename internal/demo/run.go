package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// How often the figures are shown: on a terminal, and as lines in a log.
const (
	paintEvery = time.Second
	lineEvery  = 5 * time.Second
)

// Run shows the demo until ctx ends, and then ends everything.
func Run(ctx context.Context, o Options) error {
	s, err := newStage(o)
	if err != nil {
		return err
	}
	err = s.show(ctx)
	if ctx.Err() != nil {
		err = nil // an interrupt is how it ends
		fmt.Fprintf(o.Out, "stopping everything (%v)\n", context.Cause(ctx))
	} else {
		fmt.Fprintln(o.Out, "stopping everything")
	}
	return errors.Join(err, s.close())
}

func (s *stage) show(ctx context.Context) error {
	fmt.Fprintln(s.Out, "starting a server, an edge, nine instances with six sidecars, and traffic: this takes a few seconds")
	if _, err := s.open(ctx); err != nil {
		return err
	}
	fmt.Fprint(s.Out, s.introduction())
	every := lineEvery
	if s.Terminal {
		every = paintEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	v, screen := newView(s), terminal.Screen{Out: s.Out, Size: s.Size}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			v.look(ctx)
			if s.Terminal {
				columns, _ := s.Size()
				screen.Paint(v.text(columns))
			} else {
				for _, line := range append(v.fresh, v.line()) {
					fmt.Fprintln(s.Out, printable.Text(line))
				}
			}
		}
	}
}

// introduction says what runs where, and what to try.
func (s *stage) introduction() string {
	var b strings.Builder
	profile, other := s.documents.profile()
	fmt.Fprintf(&b, "\nwhat is where\n")
	fmt.Fprintf(&b, "  edge       http://localhost:%d   / leads to web, /profile to %s\n", s.at.edge, profile)
	fmt.Fprintf(&b, "  server     %s%s\n", s.serverURL(), s.howToAsk())
	fmt.Fprintf(&b, "  documents  %s\n", s.documents.dir)
	fmt.Fprintf(&b, "  logs       %s\n", s.file("logs"))
	fmt.Fprintf(&b, "  ledger     127.0.0.1:%d, a TCP server outside the mesh\n", s.at.ledger)
	for _, service := range []string{"web", "users", "orders", "quotes"} {
		var names []string
		for _, i := range s.instances {
			if i.service == service {
				names = append(names, fmt.Sprintf("%s (agent %d)", i.name, i.agent.PID()))
			}
		}
		how := "behind Envoys"
		if service == "quotes" {
			how = "gRPC without Envoy"
		}
		fmt.Fprintf(&b, "  %-10s %s, %s\n", service, strings.Join(names, ", "), how)
	}
	fmt.Fprintf(&b, "  desk       a gRPC program without Envoy that only calls quotes\n")
	fmt.Fprintf(&b, "  traffic    %d requests/s on each of three paths:\n", rate)
	fmt.Fprintf(&b, "             edge > users\n")
	fmt.Fprintf(&b, "             edge > web > orders: web calls users and orders;\n")
	fmt.Fprintf(&b, "               orders calls users, quotes (gRPC) and ledger (TCP)\n")
	fmt.Fprintf(&b, "             desk > quotes (gRPC)\n")
	fmt.Fprintf(&b, "\nthree things to try in another terminal\n")
	fmt.Fprintf(&b, "  curl http://localhost:%d/\n      shows which instances answered, and which they called\n", s.at.edge)
	fmt.Fprintf(&b, "  sed -i 's/profile, to: %[1]s/profile, to: %[2]s/' %[3]s/edge.yaml\n      sends the requests for /profile to %[2]s; none fails\n", profile, other, s.documents.dir)
	fmt.Fprintf(&b, "  kill -9 %d\n      kills users-2 and its Envoy; watch how many requests fail\n\n", s.find("users-2").agent.PID())
	return b.String()
}

// howToAsk names the commands that show the mesh, with the variable that they need if the server is not at its
// default address.
func (s *stage) howToAsk() string {
	const commands = "doyen status, doyen services, doyen instances"
	if s.at.http == serverHTTPPort {
		return "   " + commands
	}
	return fmt.Sprintf("   export DOYEN_SERVER=%s DOYEN_XDS=%s, then %s", s.serverURL(), loopback(s.at.grpc), commands)
}
