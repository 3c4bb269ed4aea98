package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/mesh"
)

// options are the command line.
type options struct {
	size    compare.Size
	groups  []string
	servers []string // empty for all
	compare compare.Options
	out     string
	report  string
	command string
	program string   // the doyen program, "" to leave it out
	before  string   // an earlier doyen program, "" to leave it out
	rows    []string // of the mesh; empty for all
	envoy   string
}

// The words for what is measured of the doyen program, alone and with a mesh.
const (
	programGroup = "program"
	meshGroup    = "mesh"
)

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	short := flags.Bool("short", false, "the short form, under ten minutes")
	full := flags.Bool("full", false, "everything")
	groups := append([]string{programGroup, meshGroup}, compare.Groups()...)
	only := flags.String("only", "", "comma-separated groups to run: "+strings.Join(groups, ", "))
	servers := flags.String("servers", "", "comma-separated servers to run; without it all")
	clients := flags.Int("clients", 0, "number of clients, instead of the usual")
	clusters := flags.Int("clusters", 0, "number of clusters, instead of the usual")
	flags.StringVar(&o.compare.ProfileDir, "profile", "", "folder for CPU and heap profiles of the servers")
	flags.StringVar(&o.out, "out", "", "folder for the results; without it a -full run of everything writes ../docs, others only print")
	flags.StringVar(&o.report, "report", "", "folder of an earlier run whose page is to be written again")
	flags.StringVar(&o.program, "doyen", "../bin/doyen", "the doyen program")
	flags.StringVar(&o.before, "doyen-before", "", "an earlier doyen program, whose mesh is measured as well")
	rows := flags.String("rows", "", "comma-separated rows of the mesh to measure; without it all: "+strings.Join(mesh.Rows(), ", "))
	flags.StringVar(&o.envoy, "envoy", cmp.Or(os.Getenv("DOYEN_ENVOY"), "envoy"), "the Envoy program")
	if err := flags.Parse(args[1:]); err != nil {
		return o, err
	}
	if o.report == "" && *short == *full {
		return o, errors.New("either -short or -full")
	}
	o.command = "go run . " + strings.Join(args[1:], " ")
	o.groups, o.servers, o.rows = list(*only), list(*servers), list(*rows)
	for _, row := range o.rows {
		if !slices.Contains(mesh.Rows(), row) {
			return o, fmt.Errorf("row %q: expected one of %s", row, strings.Join(mesh.Rows(), ", "))
		}
	}
	for _, group := range o.groups {
		if !slices.Contains(groups, group) {
			return o, fmt.Errorf("group %q: expected one of %s", group, strings.Join(groups, ", "))
		}
	}
	if len(o.groups) == 0 {
		o.groups = groups
	}
	if o.size = compare.Full(); *short {
		o.size = compare.Short()
	}
	if *full && *only == "" && *servers == "" {
		o.out = cmp.Or(o.out, "../docs")
	}
	o.size.Clients = cmp.Or(*clients, o.size.Clients)
	o.size.Clusters = cmp.Or(*clusters, o.size.Clusters)
	return o, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
